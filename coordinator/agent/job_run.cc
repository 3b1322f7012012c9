#include "coordinator/agent/job_run.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "common/config/config.h"
#include "common/log.h"
#include "common/proto/control.pb.h"
#include "common/stage_facts.h"
#include "common/storage/artifact.h"
#include "common/storage/file_lock.h"
#include "common/storage/files.h"
#include "common/storage/staging.h"
#include "coordinator/agent/launcher_agent.h"
#include "shards/corpus/corpus_build.h"
#include "shards/corpus/corpus_view.h"
#include "shards/corpus/local_build.h"
#include "shards/targets/target_store.h"

namespace still::coordinator {
namespace {

using v1::AgentTask;
using v1::JobSpec;
using v1::RecoveryConfig;
using v1::TrainConfig;
using v1::WorkerTask;

constexpr std::chrono::milliseconds kLockRetry{500};  // while another run makes the artifact

std::uint32_t RanksOf(const AgentTask& task) {
  if (task.attached_ranks() > 0) return task.attached_ranks();
  std::uint32_t ranks = 0;
  for (const auto& share : task.placement()) ranks += share.ranks();
  return ranks;
}

std::string JobDirectory(const JobSpec& spec) {
  return JoinPath(JoinPath(spec.artifacts_root(), "jobs"),
                  fmt::format("{}-{}", ArtifactKind(spec.stage()), spec.digest()));
}

std::string JobLockPath(const JobSpec& spec) { return JoinPath(JobDirectory(spec), "lock"); }

// Only a corpus leaves something behind when ranks are killed after they have renamed the artifact.
bool MayHaveLeftovers(const JobSpec& spec) { return spec.stage() == v1::STAGE_CORPUS; }

// Deletes such leftovers. The caller holds the job's lock.
void RemoveLeftoversLocked(const JobSpec& spec) {
  if (!MayHaveLeftovers(spec)) return;
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

  JobOutcome Make(bool wait_for_others, const std::atomic<int>& stops) {
    JobOutcome outcome;
    outcome.status = MakeLocked(wait_for_others, stops, &outcome);
    return outcome;
  }

 private:
  bool IsMade() const { return coordinator::IsMade(spec_); }

  // Runs of other coordinators may want the same artifact. The job's lock lets one at a time write its checkpoints and
  // unfinished shards.
  Status MakeLocked(bool wait_for_others, const std::atomic<int>& stops, JobOutcome* outcome) {
    STILL_RETURN_IF_ERROR(MakeDirectories(job_directory_));
    Result<FileLock> lock = FileLock::TryAcquire(JobLockPath(spec_));
    while (lock.status().code() == Code::kUnavailable && wait_for_others && stops == 0 && !IsMade()) {
      clock_.SleepFor(kLockRetry);
      lock = FileLock::TryAcquire(JobLockPath(spec_));
    }
    if (IsMade()) {
      if (lock.ok()) RemoveLeftoversLocked(spec_);
      return Ok();
    }
    if (lock.status().code() == Code::kUnavailable)
      return Error(stops > 0 ? Code::kCancelled : Code::kUnavailable, "another run is making {} {}: wait for its end",
                   ArtifactKind(stage_), spec_.digest());
    STILL_RETURN_IF_ERROR(lock.status());
    const std::string kinds = JoinPath(artifacts_.root(), ArtifactKind(stage_));
    const std::string path = JoinPath(kinds, spec_.digest());
    STILL_RETURN_IF_ERROR(MakeDirectories(kinds));
    STILL_RETURN_IF_ERROR(RemoveTemporariesOf(path));
    STILL_RETURN_IF_ERROR(MadeInAgent(task_) ? BuildCorpusHere(stops) : Launch(stops, outcome));
    if (!IsMade())
      return Error(Code::kInternal, "{} succeeded, but its artifact {} does not exist: still and its workers disagree",
                   name_, path);
    // A host that was lost on the way has not removed its temporaries.
    if (const Status removed = RemoveTemporariesOf(path); !removed.ok())
      LogWarn("{}: leftovers were not removed: {}", name_, removed.message());
    RemoveLeftoversLocked(spec_);
    return Ok();
  }

  // Builds a corpus in this process. A request to stop ends it, and the next run goes on from what is made.
  Status BuildCorpusHere(const std::atomic<int>& stops) {
    const v1::CorpusConfig& corpus = spec_.config().corpus();
    STILL_ASSIGN_OR_RETURN(const shards::CorpusInputs inputs, shards::ReadCorpusInputs(corpus, spec_.digest()));
    return shards::BuildCorpus(corpus, inputs, artifacts_,
                               [&](const shards::CorpusProgress& progress, std::uint64_t input_bytes) {
                                 v1::Progress report;
                                 report.set_done(progress.input_bytes);
                                 report.set_total(input_bytes);
                                 report.set_unit(v1::PROGRESS_UNIT_BYTES);
                                 report.set_tokens(progress.tokens);
                                 (*report.mutable_values())["documents"] = static_cast<double>(progress.documents);
                                 callbacks_.on_progress(report);
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
    for (const v1::GenerationEnd& end : agent.ends()) outcome->step = std::max(outcome->step, end.step());
    return made;
  }

  // Returns the threads per rank. The results depend on them bit by bit, so the configuration decides. Those of a
  // corpus and of a report do not, so these stages use all slots they got.
  std::uint32_t Threads() const {
    const bool as_given = stage_ == v1::STAGE_CORPUS || stage_ == v1::STAGE_EVALUATE;
    return as_given ? spec_.slots_per_rank() : spec_.config().threads_per_rank();
  }

  Result<AgentJob> Job() const {
    AgentJob job{.journal_path = JoinPath(job_directory_, "journal"),
                 .same_step_failures = spec_.config().recovery().same_step_failures(),
                 .server = {.stage = stage_},
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
    if (stage_ == v1::STAGE_CORPUS) STILL_RETURN_IF_ERROR(AddCorpusRounds(&job));
    if (stage_ == v1::STAGE_TARGETS) STILL_RETURN_IF_ERROR(AddTargetsRound(&job));
    // An mpirun that a person typed may lack the flag that lets it survive deaths.
    job.server.survivors_go_on = spec_.config().recovery().mode() == v1::RECOVERY_MODE_INPLACE && RanksOf(task_) > 1 &&
                                 task_.attached_ranks() == 0 && (Trains(stage_) || IsLeased(stage_));
    const auto milliseconds = [](double seconds) { return std::chrono::milliseconds(std::llround(1000 * seconds)); };
    const RecoveryConfig& recovery = spec_.config().recovery();
    job.server.host_silence.silence = milliseconds(recovery.host_seconds());
    job.server.host_silence.everybody = milliseconds(std::max(recovery.host_seconds(), recovery.orphan_seconds()));
    STILL_RETURN_IF_ERROR(AddKeys(&job));
    AddHosts(&job);
    return job;
  }

  // There is one round per pass over a corpus.
  Status AddCorpusRounds(AgentJob* job) const {
    const v1::CorpusConfig& corpus = spec_.config().corpus();
    STILL_ASSIGN_OR_RETURN(const shards::CorpusInputs inputs, shards::ReadCorpusInputs(corpus, spec_.digest()));
    STILL_ASSIGN_OR_RETURN(auto opened, shards::CorpusBuild::Open(corpus, inputs, artifacts_));
    const auto build = std::make_shared<const shards::CorpusBuild>(std::move(opened));
    STILL_ASSIGN_OR_RETURN(const std::uint32_t splits, build->Tasks(shards::CorpusPass::kTokenise));
    job->server.rounds = {
        {.shard = "input split", .shards = splits}, {.shard = "shard plan", .shards = 1}, {.shard = "shard"}};
    job->server.quarantine = [build](std::uint32_t round, std::uint32_t task) {
      return build->Quarantine(static_cast<shards::CorpusPass>(round), task);
    };
    return Ok();
  }

  Status AddTargetsRound(AgentJob* job) const {
    STILL_ASSIGN_OR_RETURN(
        const auto view,
        shards::CorpusView::Open(artifacts_.PathOf("corpus", spec_.inputs().corpus()), shards::Split::kTrain));
    job->server.rounds = {{.shards = view->shards()}};
    job->server.quarantine = [this](std::uint32_t, std::uint32_t shard) {
      return shards::QuarantineTargetShard(artifacts_, spec_.digest(), shard);
    };
    return Ok();
  }

  // Makes keys for this attempt alone, because this machine may have other users.
  static Status AddKeys(AgentJob* job) {
    STILL_ASSIGN_OR_RETURN(const RpcKeyPair own, NewRpcKeyPair());
    STILL_ASSIGN_OR_RETURN(job->server.network.client, NewRpcKeyPair());
    job->server.network.keys = RpcServerKeys{.own = own, .clients = {job->server.network.client.public_key}};
    return Ok();
  }

  // Adds the placement and the way to the hosts, when ranks may be on other machines.
  void AddHosts(AgentJob* job) const {
    const v1::HostAccess& access = task_.access();
    if (access.address().empty()) return;
    job->server.network.bind = fmt::format("tcp://{}:*", access.address());
    for (const auto& share : task_.placement()) job->launch.hosts.push_back({share.host(), share.ranks()});
    job->launch.ssh = {.identity_file = access.ssh_identity_file(),
                       .arguments = {access.ssh_arguments().begin(), access.ssh_arguments().end()},
                       .network = access.network()};
  }

  // Returns what the tasks of all launches have in common.
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
  const std::string name_;  // the name of the stage
  const ArtifactStore artifacts_;
  const std::string job_directory_;
  cluster::Launcher& launcher_;
  Clock& clock_;
  const AgentCallbacks& callbacks_;
};

}  // namespace

bool IsMade(const JobSpec& spec) {
  return ArtifactStore(spec.artifacts_root()).Has(ArtifactKind(spec.stage()), spec.digest());
}

void RemoveLeftovers(const JobSpec& spec) {
  if (!MayHaveLeftovers(spec)) return;
  const Result<FileLock> lock = FileLock::TryAcquire(JobLockPath(spec));
  if (lock.ok()) RemoveLeftoversLocked(spec);
}

bool MadeInAgent(const AgentTask& task) {
  return task.spec().stage() == v1::STAGE_CORPUS && task.attached_ranks() == 0 && RanksOf(task) == 1;
}

JobOutcome RunJob(const AgentTask& task, bool wait_for_others, cluster::Launcher& launcher, Clock& clock,
                  const AgentCallbacks& callbacks, const std::atomic<int>& stops) {
  return Run(task, launcher, clock, callbacks).Make(wait_for_others, stops);
}

}  // namespace still::coordinator
