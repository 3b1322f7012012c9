// The options and callbacks of the server of a launch (launch_server.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cluster/placement.h"
#include "common/proto/coordinator.pb.h"
#include "common/rpc/rpc.h"
#include "common/status.h"
#include "coordinator/launch/checkpoint_publisher.h"
#include "coordinator/launch/host_silence.h"
#include "coordinator/launch/leased_work.h"
#include "coordinator/launch/rank_sightings.h"

namespace still::coordinator {

// The address under which the ranks of a launch find its server, and the keys that let them in.
struct LaunchNetwork {
  std::string bind = "tcp://127.0.0.1:*";  // an address that is not loopback requires keys
  std::string advertised_host;             // the host that ranks connect to; empty: as bound
  std::optional<RpcServerKeys> keys;       // nothing: everybody is let in
  RpcKeyPair client;                       // with keys: what ranks get in their task
};

// The functions are called from the thread that runs the server.
struct LaunchOptions {
  v1::Stage stage = v1::STAGE_UNSPECIFIED;  // in messages
  std::uint64_t generation = 1;             // the fencing number of the launch
  std::uint32_t ranks = 1;
  std::vector<WorkRound> rounds;  // of shards to lease; empty: the ranks are a gang
  LeasePolicy leases;             // with rounds
  std::string log_path;           // the log of the launch, named in errors
  bool survivors_go_on = false;   // one rank's "a peer is gone" does not end the launch
  LaunchNetwork network;
  cluster::Placement placement;  // of the ranks, in their order; empty: all on this machine
  HostSilenceLimits host_silence;
  CheckpointPublisher* publisher = nullptr;  // outlives the server; null: this stage makes no checkpoints
  std::function<void(const v1::Progress&)> on_progress = [](const v1::Progress&) {};
  // Says where the ranks are and where their time went, at most once per `ranks_interval`.
  std::function<void(const RankSightings&)> on_ranks = [](const RankSightings&) {};
  // Journals how a generation ended, and returns the number of the next one, in which the survivors continue. An error
  // means that they may not continue.
  std::function<Result<std::uint64_t>(const v1::GenerationEnd&, std::size_t survivors)> on_shrink;
  // Sets aside a shard that was computed twice with different results. It is called at once, and again when the ranks
  // have ended, because they may have read or written it in between.
  std::function<Status(std::uint32_t round, std::uint32_t shard)> quarantine = [](auto, auto) { return Ok(); };
  // Says that checkpoints cannot be kept while the work goes on. An empty text says that this is over.
  std::function<void(const std::string&)> on_storage_trouble = [](const std::string&) {};

  std::chrono::milliseconds tick{100};           // longest wait between two polls of mpirun
  std::chrono::milliseconds drain_patience{0};   // for a step to finish and be published, when asked to stop
  std::chrono::milliseconds drain{10'000};       // for mpirun to end once the outcome is known
  std::chrono::milliseconds drain_shrunk{1000};  // the same where a rank is missing: MPI_Finalize may wait for ever
  std::chrono::milliseconds last_words{300};     // for what dead ranks sent to arrive
  std::chrono::milliseconds publish_retry{500};
  std::chrono::milliseconds ranks_interval{500};
};

}  // namespace still::coordinator
