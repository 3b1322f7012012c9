// The coordinator's side of one launch. One thread answers the ranks and their guardians, watches mpirun, and says how
// the launch ended. What the ranks do together is in one of two protocols (launch_protocol.h).
//
// The outcome follows from what ranks said, in this order: a failure that would happen again; success, if any member
// reported it; a rank's "stopped" (CANCELLED); else, when mpirun is gone, UNAVAILABLE with the evidence. mpirun's exit
// code is never trusted, because it means little after a failure, and MPI_Finalize may hang. So once a result is in,
// mpirun gets a moment to end by itself and is then killed.
//
// On several hosts the server also watches that each of them is heard (host_silence.h). A silent host ends the launch
// of a gang: the ranks on other hosts are fenced, and mpirun is killed. Leased work continues without its ranks, though
// Open MPI's mpirun will end a minute later because it lost its daemon.
//
// A message counts when its sender was started by this launch and is still a member. Other senders are answered with
// Fenced.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "cluster/launcher.h"
#include "common/clock.h"
#include "common/rpc/rpc.h"
#include "common/status.h"
#include "coordinator/launch/host_silence.h"
#include "coordinator/launch/launch_options.h"
#include "coordinator/launch/launch_protocol.h"
#include "coordinator/launch/launch_state.h"

namespace still::coordinator {

class LaunchServer {
 public:
  // Binds as `options.network` says: by default a free port on the loopback interface. `clock` outlives the server.
  static Result<std::unique_ptr<LaunchServer>> Bind(LaunchOptions options, const Clock& clock);

  // Returns the address for WorkerTask.endpoint.
  std::string endpoint() const;

  // Serves until `job` has ended, then returns how its last generation ended. `stops` counts requests to stop. After
  // the first one ranks are asked to drain for `drain_patience`, and then the job is asked to terminate. After the
  // second one it is killed. Call once.
  GenerationEnd Run(cluster::LaunchedJob& job, const std::atomic<int>& stops);

 private:
  LaunchServer(LaunchOptions options, const Clock& clock, std::unique_ptr<RpcServer> rpc);

  Status Serve(cluster::LaunchedJob& job, const std::atomic<int>& stops);
  // Does what the clock and requests to stop demand.
  void Steer(cluster::LaunchedJob& job, int stops);
  // Handles one message. Waits up to `wait` for it, and returns false when none came.
  Result<bool> ServeOne(std::chrono::milliseconds wait);
  // Handles what is left once mpirun has ended.
  Status ServeLastWords();
  Status OnMessage(const RpcMessage& message);
  Status OnMemberMessage(const std::string& peer, const v1::Envelope& envelope);
  Status OnHeartbeat(const std::string& peer, std::uint32_t rank, const v1::Heartbeat& heartbeat);
  void OnRankKilled(std::uint32_t rank, const v1::RankKilled& killed);
  std::chrono::milliseconds EndPatience() const;
  GenerationEnd Outcome(const cluster::ExitInfo& exit) const;

  const Clock& clock_;
  std::unique_ptr<RpcServer> rpc_;
  LaunchState launch_;
  std::unique_ptr<LaunchProtocol> protocol_;
  HostSilence host_silence_;
  std::optional<LostHost> lost_host_;  // set: its silence ended the launch
  std::uint64_t log_begin_ = 0;        // size of the log before the launch: earlier launches wrote what stands above

  std::optional<Clock::TimePoint> ranks_reported_;
  std::optional<Clock::TimePoint> stop_seen_;
  bool terminated_ = false;
  bool lost_at_start_ = false;
  std::optional<Clock::TimePoint> ending_since_;
};

}  // namespace still::coordinator
