// The coordinator's side of one launch: one thread that answers the workers and their guardians, hands out shards,
// collects checkpoints, lets survivors go on, passes progress on, watches mpirun, and says how the launch ended.
//
// How it ended, by what ranks said: a failure that would happen again; else success if any member reported it; else a
// rank's "stopped" (CANCELLED); else, mpirun being gone, UNAVAILABLE with the evidence. mpirun's exit code is never
// trusted: it means little after a failure, and MPI_Finalize may hang, so once a result is in, mpirun gets a moment to
// end by itself and is then killed.
//
// On several hosts it also watches that each of them is heard (host_silence.h). One that is not ends a gang's launch:
// the ranks of the others are fenced, and mpirun is killed. In divisible work its ranks are dead like any others, and
// the rest goes on, though Open MPI's mpirun will end a minute later for the loss of its daemon.
//
// A message counts when its sender was started by this launch and is still a member; others are answered with Fenced.
// Where survivors go on: in a gang they ask for it; in divisible work a dead rank is left behind without a question.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cluster/launcher.h"
#include "common/clock.h"
#include "common/rpc/rpc.h"
#include "common/stage_progress.h"
#include "common/status.h"
#include "coordinator/launch/checkpoint_collector.h"
#include "coordinator/launch/checkpoint_publisher.h"
#include "coordinator/launch/generation_end.h"
#include "coordinator/launch/host_silence.h"
#include "coordinator/launch/leased_work.h"
#include "coordinator/launch/membership.h"
#include "coordinator/launch/phase_times.h"
#include "coordinator/launch/rank_sightings.h"
#include "coordinator/launch/stage_results.h"

namespace stillhouse::v1 {
class Envelope;
class ShrinkRequest;
}  // namespace stillhouse::v1

namespace still::coordinator {

// Where the ranks of a launch find its server, and what lets them in.
struct StageNetwork {
  std::string bind = "tcp://127.0.0.1:*";  // with keys, other addresses as well
  std::string advertised_host;             // that ranks connect to; empty: as bound
  std::optional<RpcServerKeys> keys;       // none: everybody is let in
  RpcKeyPair client;                       // with keys: that ranks get, in their task
};

struct StageServerOptions {
  std::string stage;             // name, in messages
  std::uint64_t generation = 1;  // that the ranks are launched as
  std::uint32_t ranks = 1;
  std::vector<WorkRound> rounds;  // of shards to lease; none: this stage leases nothing,
  LeasePolicy leases;             // as this says
  std::string log_path;           // of the launch, named in errors
  bool survivors_go_on = false;   // one rank's "a peer is gone" does not end the launch
  StageNetwork network;
  cluster::Placement placement;  // of the ranks, in their order; empty: all on this machine
  HostSilenceLimits host_silence;
  CheckpointPublisher* publisher = nullptr;  // outlives the server; null: this stage makes no checkpoints
  std::function<void(const StageProgress&)> on_progress = [](const StageProgress&) {};
  // Where the ranks are and where their time went, at most every `ranks_interval`.
  std::function<void(const PhaseTimes&)> on_ranks = [](const PhaseTimes&) {};
  // Journals how a generation ended and the next one, which so many survivors go on as. An error refuses.
  std::function<Result<std::uint64_t>(const GenerationEnd&, std::size_t survivors)> on_shrink;
  // A shard was computed twice with different results: what stands of it is set aside, at once, and again when the
  // ranks have ended, for what they made of it meanwhile.
  std::function<Status(std::uint32_t round, std::uint32_t shard)> quarantine = [](auto, auto) { return Ok(); };
  // Checkpoints cannot be kept, while the work goes on; an empty text: it is over.
  std::function<void(const std::string&)> on_storage_trouble = [](const std::string&) {};

  std::chrono::milliseconds tick{100};           // longest wait between two looks at mpirun
  std::chrono::milliseconds drain_patience{0};   // for a step to finish and be published, when asked to stop
  std::chrono::milliseconds drain{10'000};       // for mpirun to end once the outcome is known, ...
  std::chrono::milliseconds drain_shrunk{1000};  // ...where a rank is missing, so that MPI_Finalize may wait for ever
  std::chrono::milliseconds last_words{300};     // for what dead ranks said to arrive
  std::chrono::milliseconds publish_retry{500};
  std::chrono::milliseconds ranks_interval{500};
};

class StageServer {
 public:
  // Binds as `options.network` says: by default a free port on the loopback interface.
  static Result<std::unique_ptr<StageServer>> Bind(StageServerOptions options, const Clock& clock);

  // For WorkerTask.endpoint.
  std::string endpoint() const;
  const DivisibleWork& work() const { return work_; }

  // Serves until `job` has ended, then returns how its last generation did. `stops` counts requests to stop: after the
  // first one ranks are asked to drain, for `drain_patience`, then the job is asked to terminate; after the second it
  // is killed. Call once.
  GenerationEnd Run(cluster::LaunchedJob& job, const std::atomic<int>& stops);

 private:
  StageServer(StageServerOptions options, const Clock& clock, std::unique_ptr<RpcServer> rpc);

  Status Serve(cluster::LaunchedJob& job, const std::atomic<int>& stops);
  void Steer(cluster::LaunchedJob& job, int stops);
  // Handles one message, waiting up to `wait` for it; false when none came.
  Result<bool> ServeOne(std::chrono::milliseconds wait);
  // Handles what is left once mpirun has ended.
  Status ServeLastWords();
  Status Dispatch(const RpcMessage& message);
  Status DispatchMember(const std::string& peer, const stillhouse::v1::Envelope& envelope);
  Status AnswerHeartbeat(const std::string& peer, const stillhouse::v1::Envelope& envelope);
  Status AnswerLease(const std::string& peer, std::uint32_t rank, std::uint64_t request);
  void TakeShard(const stillhouse::v1::Envelope& envelope);
  Status AnswerShrink(const std::string& peer, std::uint32_t rank, const stillhouse::v1::ShrinkRequest& request);
  Result<std::uint64_t> Shrink(std::uint32_t rank, const stillhouse::v1::ShrinkRequest& request);
  // Journals that `survivors` go on without `dead`, and returns the generation that they go on as.
  Result<std::uint64_t> GoOn(const std::set<std::uint32_t>& survivors, const std::vector<std::uint32_t>& dead,
                             const v1::Death& death);
  void LookForLostHosts(Clock::TimePoint now);
  void NoteDeath(std::uint32_t rank);
  void LeaveTheDeadBehind(Clock::TimePoint now);
  Status CollectParts(const std::string& peer, const stillhouse::v1::Envelope& envelope);
  Status Publish();
  void NoteProgress(const stillhouse::v1::Envelope& envelope);
  void Show(StageProgress shown);
  // One found here, which no rank knows of: the job is told to end.
  void NoteFailureHere(Status failure);
  void NoteStorageTrouble(const std::string& source, const std::string& trouble);
  Status Reply(const std::string& peer, stillhouse::v1::Envelope* envelope);

  bool LeavesDeadBehind() const { return work_.Any() && options_.survivors_go_on; }
  bool Ending() const { return results_.Settled(membership_.members()); }
  std::chrono::milliseconds EndPatience() const;
  GenerationEnd EndOf(const Status& outcome, const std::string& what) const;
  GenerationEnd Outcome(const cluster::ExitInfo& exit) const;

  StageServerOptions options_;
  const Clock& clock_;
  std::unique_ptr<RpcServer> rpc_;
  DivisibleWork work_;
  Membership membership_;
  StageResults results_;
  RankSightings sightings_;
  PhaseTimes phase_times_;
  HostSilence host_silence_;
  std::optional<LostHost> lost_host_;  // set: the launch is over
  std::optional<LostHost> left_host_;  // newest whose ranks are among the dead
  CheckpointCollector collector_;
  Clock::TimePoint generation_since_;
  std::uint64_t log_begin_ = 0;  // the log's size before the launch: what stands above is of earlier ones

  std::map<std::uint32_t, StageProgress> progress_;                 // latest of each rank
  std::vector<std::pair<std::uint32_t, std::uint32_t>> differing_;  // round and shard, of which two results are known
  std::set<std::uint32_t> dead_;                       // ranks to leave behind once their last words are in
  Clock::TimePoint last_death_;                        // of them
  std::map<std::uint32_t, std::string> part_writers_;  // ranks that took part in a checkpoint, and where they are heard
  std::optional<std::uint64_t> published_step_;        // newest of this launch
  std::optional<Clock::TimePoint> publish_tried_;
  std::optional<Clock::TimePoint> ranks_told_;
  std::map<std::string, std::string> storage_troubles_;  // by who has one

  std::optional<Clock::TimePoint> stop_seen_;
  bool end_asked_ = false;  // a failure found here: not yet passed on
  bool terminated_ = false;
  bool lost_at_start_ = false;
  std::optional<Clock::TimePoint> ending_since_;
};

}  // namespace still::coordinator
