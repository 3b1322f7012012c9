// What a launch is: its ranks, its network, its limits, and whom it tells what happens.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cluster/placement.h"
#include "common/proto/control.pb.h"
#include "common/rpc/rpc.h"
#include "common/status.h"
#include "coordinator/launch/checkpoint_publisher.h"
#include "coordinator/launch/generation_end.h"
#include "coordinator/launch/host_silence.h"
#include "coordinator/launch/leased_work.h"
#include "coordinator/launch/phase_times.h"

namespace still::coordinator {

// Where the ranks of a launch find its server, and the keys that let them in.
struct LaunchNetwork {
  std::string bind = "tcp://127.0.0.1:*";  // with keys, other addresses as well
  std::string advertised_host;             // the host that ranks connect to; empty: as bound
  std::optional<RpcServerKeys> keys;       // unset: every client is let in
  RpcKeyPair client;                       // the keys that ranks get in their task
};

struct LaunchOptions {
  std::string stage;             // name, in messages
  std::uint64_t generation = 1;  // that the ranks are launched as
  std::uint32_t ranks = 1;
  std::vector<WorkRound> rounds;  // rounds of shards to lease; empty: the ranks are a gang
  LeasePolicy leases;
  std::string log_path;          // log of the launch, named in errors
  bool survivors_go_on = false;  // the launch outlives the death of a rank
  LaunchNetwork network;
  cluster::Placement placement;  // of the ranks, in their order; empty: all on this machine
  HostSilenceLimits host_silence;
  CheckpointPublisher* publisher = nullptr;  // outlives the server; null: this stage makes no checkpoints
  std::function<void(const v1::Progress&)> on_progress = [](const v1::Progress&) {};
  // Reports where the ranks are and where their time went, at most once per `ranks_interval`.
  std::function<void(const PhaseTimes&)> on_ranks = [](const PhaseTimes&) {};
  // Journals how a generation ended and returns the next one, which that many survivors continue as. An error refuses.
  std::function<Result<std::uint64_t>(const GenerationEnd&, std::size_t survivors)> on_shrink;
  // Sets aside what stands of a shard that was computed twice with different results. Called at once, and again when
  // the ranks have ended, because they may have used the shard meanwhile.
  std::function<Status(std::uint32_t round, std::uint32_t shard)> quarantine = [](auto, auto) { return Ok(); };
  // Reports that checkpoints cannot be kept while the work continues. An empty text means that the trouble is over.
  std::function<void(const std::string&)> on_storage_trouble = [](const std::string&) {};

  std::chrono::milliseconds tick{100};           // longest wait between two looks at mpirun
  std::chrono::milliseconds drain_patience{0};   // for a step to finish and be published, when asked to stop
  std::chrono::milliseconds drain{10'000};       // for mpirun to end once the outcome is known
  std::chrono::milliseconds drain_shrunk{1000};  // the same where a rank is missing: MPI_Finalize may wait for ever
  std::chrono::milliseconds last_words{300};     // for the messages of dead ranks to arrive
  std::chrono::milliseconds publish_retry{500};
  std::chrono::milliseconds ranks_interval{500};
};

}  // namespace still::coordinator
