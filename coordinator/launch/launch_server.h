// The coordinator's side of one launch: one thread that answers the ranks and their guardians, fences those that are
// no members, watches mpirun and the hosts, and says how the launch ended. What depends on how ranks share their work
// is left to a LaunchProtocol (launch_protocol.h), which is chosen once.
//
// The outcome follows from what ranks reported, in this order:
//   1. a failure that would happen again
//   2. success, if any member reported it
//   3. CANCELLED, if a rank reported that it stopped
//   4. UNAVAILABLE with the evidence, once mpirun is gone
// The exit code of mpirun is never trusted, because it means little after a failure. MPI_Finalize may hang, so once a
// result is known, mpirun gets a moment to end by itself and is then killed.
//
// On several hosts the server also watches the heartbeats of each of them (host_silence.h). A silent host ends the
// launch of a gang: the ranks of the other hosts are fenced, and mpirun is killed. Leased work goes on without it.
//
// A message counts when its sender was started by this launch and is still a member. Others are answered with Fenced.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "cluster/launcher.h"
#include "common/clock.h"
#include "common/rpc/rpc.h"
#include "common/status.h"
#include "coordinator/launch/host_silence.h"
#include "coordinator/launch/launch_options.h"
#include "coordinator/launch/launch_protocol.h"
#include "coordinator/launch/membership.h"
#include "coordinator/launch/rank_sightings.h"
#include "coordinator/launch/stage_results.h"

namespace still::coordinator {

class LaunchServer : private LaunchControl {
 public:
  // Binds as `options.network` says: by default a free port on the loopback interface. INVALID_ARGUMENT when an
  // address that is not loopback comes without keys. `clock` outlives the server.
  static Result<std::unique_ptr<LaunchServer>> Bind(LaunchOptions options, const Clock& clock);

  // Returns the endpoint that ranks connect to (WorkerTask.endpoint).
  std::string endpoint() const;

  // Serves until `job` has ended, then returns how its last generation did. `stops` counts requests to stop. After the
  // first one the ranks are asked to drain, for `drain_patience`, and then the job is asked to terminate. After the
  // second one it is killed. Call once.
  v1::GenerationEnd Run(cluster::LaunchedJob& job, const std::atomic<int>& stops);

 private:
  LaunchServer(LaunchOptions options, const Clock& clock, std::unique_ptr<RpcServer> rpc);

  const Membership& membership() const override { return membership_; }
  RankSightings& sightings() override { return sightings_; }
  bool succeeded() const override { return results_.succeeded(); }
  bool Ending() const override { return results_.OutcomeKnown(membership_.members()); }
  Status Reply(const std::string& peer, v1::Envelope* envelope) override;
  void Fail(const Status& failure) override;
  Result<std::uint64_t> Reconfigure(const std::set<std::uint32_t>& survivors, const v1::Death& death) override;

  Status Serve(cluster::LaunchedJob& job, const std::atomic<int>& stops);
  // Terminates or kills mpirun when the time for it has come.
  void Steer(cluster::LaunchedJob& job, int stops);
  // Handles one message, waiting up to `wait` for it. Returns whether one came.
  Result<bool> ServeOne(std::chrono::milliseconds wait);
  // Handles the messages that are still on their way once mpirun has ended.
  Status ServeLastWords();
  Status Dispatch(const RpcMessage& message);
  Status OnMessage(const std::string& peer, const v1::Envelope& envelope);
  Status OnHeartbeat(const std::string& peer, std::uint32_t rank, const v1::Heartbeat& heartbeat);
  void OnRankKilled(std::uint32_t rank, const v1::RankKilled& killed);
  void FindLostHost(Clock::TimePoint now);

  std::chrono::milliseconds EndPatience() const;
  v1::GenerationEnd EndOf(const Status& outcome) const;
  v1::GenerationEnd Outcome(const cluster::ExitInfo& exit) const;

  const LaunchOptions options_;
  const Clock& clock_;
  const std::unique_ptr<RpcServer> rpc_;
  Membership membership_;
  StageResults results_;
  RankSightings sightings_;
  HostSilence host_silence_;
  const std::unique_ptr<LaunchProtocol> protocol_;
  std::optional<LostHost> lost_host_;  // set: its silence ended the launch
  std::uint64_t log_begin_ = 0;        // the log's size before the launch: what stands above is of earlier ones
  Clock::TimePoint generation_since_;
  std::optional<Clock::TimePoint> ranks_reported_;

  std::optional<Clock::TimePoint> stop_seen_;
  bool end_asked_ = false;      // a failure found here, which mpirun was not told of yet
  bool terminated_ = false;     // mpirun was asked to terminate
  bool lost_at_start_ = false;  // a rank died before MPI_Init returned
  std::optional<Clock::TimePoint> ending_since_;
};

}  // namespace still::coordinator
