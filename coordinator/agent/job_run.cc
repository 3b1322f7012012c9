#include "coordinator/agent/job_run.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "common/config/config.h"
#include "common/log.h"
#include "common/proto/control.pb.h"
#include "common/storage/artifact.h"
#include "common/storage/file_lock.h"
#include "common/storage/files.h"
#include "common/storage/staging.h"
#include "coordinator/agent/launcher_agent.h"
#include "coordinator/plan/stage_facts.h"
#include "shards/corpus/build.h"
#include "shards/corpus/corpus_build.h"
#include "shards/corpus/corpus_config.h"
#include "shards/corpus/corpus_view.h"
#include "shards/targets/target_store.h"

namespace still::coordinator {
namespace {

using stillhouse::v1::AgentTask;
using stillhouse::v1::JobSpec;
using stillhouse::v1::RecoveryConfig;
using stillhouse::v1::TrainConfig;
using stillhouse::v1::WorkerTask;

constexpr std::chrono::milliseconds kLookAgain{500};  // whether another run has made the artifact

std::uint32_t RanksOf(const AgentTask& task) {
  if (task.attached_ranks() > 0) return task.attached_ranks();
  std::uint32_t ranks = 0;
  for (const auto& share : task.placement()) ranks += share.ranks();
  return ranks;
}

std::string JobDirectory(const JobSpec& spec) {
  return JoinPath(JoinPath(spec.artifacts_root(), "jobs"), fmt::format("{}-{}", spec.kind(), spec.digest()));
}

bool MayHaveRemains(const JobSpec& spec) { return spec.kind() == ArtifactKind(v1::STAGE_CORPUS); }

// Of ranks that were killed after they had renamed the artifact. For who has the lock.
void RemoveRemains(const JobSpec& spec) {
  if (!MayHaveRemains(spec)) return;
  const ArtifactStore artifacts(spec.artifacts_root());
  if (const Status removed = shards::CorpusBuild::RemoveRemains(artifacts, spec.digest()); !removed.ok())
    LogWarn("corpus: leftovers were not removed: {}", removed.message());
}

class Run {
 public:
  Run(const AgentTask& task, cluster::Launcher& launcher, Clock& clock, const AgentCallbacks& callbacks)
      : task_(task),
        spec_(task.spec()),
        stage_(spec_.stage()),
        name_(EnumWord(stage_)),
        artifacts_(spec_.artifacts_root()),
        job_directory_(JobDirectory(spec_)),
        launcher_(launcher),
        clock_(clock),
        callbacks_(callbacks) {}

  JobOutcome Make(const JobRunOptions& options, const std::atomic<int>& stops) {
    JobOutcome outcome;
    outcome.status = MakeLocked(options, stops, &outcome);
    return outcome;
  }

 private:
  bool IsMade() const { return coordinator::IsMade(spec_); }

  // Runs of other coordinators may want the same artifact; its checkpoints and unfinished shards have one writer at a
  // time.
  Status MakeLocked(const JobRunOptions& options, const std::atomic<int>& stops, JobOutcome* outcome) {
    STILL_RETURN_IF_ERROR(MakeDirectories(job_directory_));
    Result<FileLock> lock = FileLock::TryAcquire(JoinPath(job_directory_, "lock"));
    while (lock.status().code() == Code::kUnavailable && options.wait_for_others && stops == 0 && !IsMade()) {
      clock_.SleepFor(kLookAgain);
      lock = FileLock::TryAcquire(JoinPath(job_directory_, "lock"));
    }
    if (IsMade()) {
      if (lock.ok()) RemoveRemains(spec_);
      return Ok();
    }
    if (lock.status().code() == Code::kUnavailable)
      return Error(stops > 0 ? Code::kCancelled : Code::kUnavailable, "another run is making {} {}: wait for its end",
                   spec_.kind(), spec_.digest());
    STILL_RETURN_IF_ERROR(lock.status());
    const std::string kinds = JoinPath(artifacts_.root(), spec_.kind());
    const std::string path = JoinPath(kinds, spec_.digest());
    STILL_RETURN_IF_ERROR(MakeDirectories(kinds));
    STILL_RETURN_IF_ERROR(RemoveTemporariesOf(path));
    STILL_RETURN_IF_ERROR(MadeInAgent(task_) ? BuildCorpusHere(stops) : Launch(stops, outcome));
    if (!IsMade())
      return Error(Code::kInternal, "{} ended well, but its artifact {} does not exist: still and its workers disagree",
                   name_, path);
    // A host that was lost on the way removes nothing.
    if (const Status removed = RemoveTemporariesOf(path); !removed.ok())
      LogWarn("{}: leftovers were not removed: {}", name_, removed.message());
    RemoveRemains(spec_);
    return Ok();
  }

  // A request to stop ends it: what is made of it stands, and the next run goes on from there.
  Status BuildCorpusHere(const std::atomic<int>& stops) {
    const shards::CorpusOptions options = shards::CorpusOptionsOf(spec_.config().corpus());
    STILL_ASSIGN_OR_RETURN(const shards::CorpusInputs inputs, shards::ReadCorpusInputs(options, spec_.digest()));
    return shards::BuildCorpus(
        options, inputs, artifacts_, [&](const shards::CorpusProgress& progress, std::uint64_t input_bytes) {
          callbacks_.on_progress({.done = progress.input_bytes,
                                  .total = input_bytes,
                                  .unit = "bytes",
                                  .tokens = progress.tokens,
                                  .values = {{"documents", static_cast<double>(progress.documents)}}});
          if (stops == 0) return Ok();
          return Error(Code::kCancelled, "corpus: interrupted");
        });
  }

  Status Launch(const std::atomic<int>& stops, JobOutcome* outcome) {
    STILL_ASSIGN_OR_RETURN(AgentJob job, Job());
    const WorkerTask worker_task = TaskOfWorkers();
    LauncherAgent agent(std::move(job), worker_task, launcher_, clock_, callbacks_);
    const Status made = agent.Run(stops);
    outcome->lost_host = agent.lost_host();
    for (const GenerationEnd& end : agent.ends()) outcome->step = std::max(outcome->step, end.step);
    return made;
  }

  // Bits depend on it, but those of a corpus and of a report do not; they take what they were given.
  std::uint32_t Threads() const {
    const bool as_given = stage_ == v1::STAGE_CORPUS || stage_ == v1::STAGE_EVALUATE;
    return as_given ? spec_.slots_per_rank() : spec_.config().threads_per_rank();
  }

  Result<AgentJob> Job() const {
    AgentJob job{.stage = name_,
                 .journal_path = JoinPath(job_directory_, "journal"),
                 .policy = {.stage = name_, .same_step_failures = spec_.config().recovery().same_step_failures()},
                 .launch = {.ranks = RanksOf(task_),
                            .threads_per_rank = Threads(),
                            .program = task_.worker(),
                            .log_path = task_.log_path()},
                 .task_path = JoinPath(task_.directory(), fmt::format("task-{}.json", name_)),
                 .is_made = [this] { return IsMade(); }};
    if (Trains(stage_)) {
      const TrainConfig& train = stage_ == v1::STAGE_TEACHER ? spec_.config().teacher().fit() : spec_.config().train();
      job.checkpoint_directory = JoinPath(JoinPath(artifacts_.root(), "checkpoints"), spec_.digest());
      job.retention = {.keep_last = train.keep_checkpoints(), .keep_every = train.keep_every()};
    }
    if (stage_ == v1::STAGE_CORPUS) STILL_RETURN_IF_ERROR(DivideCorpus(&job));
    if (stage_ == v1::STAGE_TARGETS) STILL_RETURN_IF_ERROR(DivideTargets(&job));
    // An mpirun that a person typed has the flags that it has.
    job.in_place = spec_.config().recovery().mode() == stillhouse::v1::RECOVERY_MODE_INPLACE && RanksOf(task_) > 1 &&
                   task_.attached_ranks() == 0 && (Trains(stage_) || IsLeased(stage_));
    const auto milliseconds = [](double seconds) { return std::chrono::milliseconds(std::llround(1000 * seconds)); };
    const RecoveryConfig& recovery = spec_.config().recovery();
    job.host_silence.silence = milliseconds(recovery.host_seconds());
    job.host_silence.everybody = milliseconds(std::max(recovery.host_seconds(), recovery.orphan_seconds()));
    STILL_RETURN_IF_ERROR(AddKeys(&job));
    AddHosts(&job);
    return job;
  }

  // A round a pass.
  Status DivideCorpus(AgentJob* job) const {
    const shards::CorpusOptions options = shards::CorpusOptionsOf(spec_.config().corpus());
    STILL_ASSIGN_OR_RETURN(const shards::CorpusInputs inputs, shards::ReadCorpusInputs(options, spec_.digest()));
    STILL_ASSIGN_OR_RETURN(auto opened, shards::CorpusBuild::Open(options, inputs, artifacts_));
    const auto build = std::make_shared<const shards::CorpusBuild>(std::move(opened));
    STILL_ASSIGN_OR_RETURN(const std::uint32_t pieces, build->Tasks(shards::CorpusPass::kTokenise));
    job->rounds = {{.shard = "piece", .shards = pieces}, {.shard = "deal", .shards = 1}, {.shard = "shard"}};
    job->quarantine = [build](std::uint32_t round, std::uint32_t task) {
      return build->Quarantine(static_cast<shards::CorpusPass>(round), task);
    };
    return Ok();
  }

  Status DivideTargets(AgentJob* job) const {
    STILL_ASSIGN_OR_RETURN(
        const auto view,
        shards::CorpusView::Open(artifacts_.PathOf("corpus", spec_.inputs().corpus()), shards::Split::kTrain));
    job->rounds = {{.shards = view->shards()}};
    job->quarantine = [this](std::uint32_t, std::uint32_t shard) {
      return shards::QuarantineTargetShard(artifacts_, spec_.digest(), shard);
    };
    return Ok();
  }

  // Ranks are let in by keys that are made for this attempt alone: this machine may have other users.
  static Status AddKeys(AgentJob* job) {
    STILL_ASSIGN_OR_RETURN(const RpcKeyPair own, NewRpcKeyPair());
    STILL_ASSIGN_OR_RETURN(job->network.client, NewRpcKeyPair());
    job->network.keys = RpcServerKeys{.own = own, .clients = {job->network.client.public_key}};
    return Ok();
  }

  // Where ranks are, or may be, on other machines.
  void AddHosts(AgentJob* job) const {
    const stillhouse::v1::HostAccess& access = task_.access();
    if (access.address().empty()) return;
    job->network.bind = fmt::format("tcp://{}:*", access.address());
    for (const auto& share : task_.placement()) job->launch.hosts.push_back({share.host(), share.ranks()});
    job->launch.ssh = {.identity_file = access.ssh_identity_file(),
                       .arguments = {access.ssh_arguments().begin(), access.ssh_arguments().end()},
                       .network = access.network()};
  }

  // What all launches have in common.
  WorkerTask TaskOfWorkers() const {
    WorkerTask worker_task;
    worker_task.set_stage(spec_.stage());
    *worker_task.mutable_config() = spec_.config();
    worker_task.mutable_config()->set_threads_per_rank(Threads());
    worker_task.set_identity(spec_.identity());
    *worker_task.mutable_artifacts() = spec_.inputs();
    return worker_task;
  }

  const AgentTask& task_;
  const JobSpec& spec_;
  const v1::Stage stage_;
  const std::string name_;  // of the stage
  const ArtifactStore artifacts_;
  const std::string job_directory_;
  cluster::Launcher& launcher_;
  Clock& clock_;
  const AgentCallbacks& callbacks_;
};

}  // namespace

bool IsMade(const JobSpec& spec) { return ArtifactStore(spec.artifacts_root()).Has(spec.kind(), spec.digest()); }

bool IsMadeToReuse(const JobSpec& spec) {
  if (!IsMade(spec)) return false;
  if (!MayHaveRemains(spec)) return true;
  const Result<FileLock> lock = FileLock::TryAcquire(JoinPath(JobDirectory(spec), "lock"));
  if (lock.ok()) RemoveRemains(spec);
  return true;
}

bool MadeInAgent(const AgentTask& task) {
  return task.spec().stage() == stillhouse::v1::STAGE_CORPUS && task.attached_ranks() == 0 && RanksOf(task) == 1;
}

JobOutcome RunJob(const AgentTask& task, const JobRunOptions& options, cluster::Launcher& launcher, Clock& clock,
                  const AgentCallbacks& callbacks, const std::atomic<int>& stops) {
  return Run(task, launcher, clock, callbacks).Make(options, stops);
}

}  // namespace still::coordinator
