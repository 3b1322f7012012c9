#include "coordinator/pipeline/pipeline_driver.h"

#include <thread>

#include "common/config.h"
#include "common/files.h"
#include "common/proto/control.pb.h"
#include "coordinator/pipeline/corpus_options.h"
#include "coordinator/pipeline/stage_facts.h"
#include "shards/corpus_view.h"
#include "shards/targets/target_store.h"

namespace still::coordinator {
namespace {

const StagePlan& At(const Plan& plan, Stage stage) { return plan[static_cast<std::size_t>(stage)]; }

}  // namespace

PipelineDriver::PipelineDriver(const stillhouse::v1::PipelineConfig& config, std::string worker_program,
                               cluster::Launcher& launcher, Clock& clock, RunObserver& observer)
    : config_(config),
      worker_program_(std::move(worker_program)),
      launcher_(launcher),
      clock_(clock),
      observer_(observer),
      artifacts_(config.artifacts()),
      run_directory_(JoinPath(JoinPath(config.artifacts(), "runs"), config.name())) {}

Result<std::vector<StageOutcome>> PipelineDriver::Run(const Plan& plan, const std::atomic<int>& stops, Stage last) {
  STILL_RETURN_IF_ERROR(MakeDirectories(run_directory_));
  Result<FileLock> lock = FileLock::TryAcquire(JoinPath(run_directory_, "lock"));
  if (lock.status().code() == Code::kUnavailable) {
    return Error(Code::kUnavailable, "another run of {} is active on {}; wait for it, or give this one another name",
                 config_.name(), config_.artifacts());
  }
  STILL_RETURN_IF_ERROR(lock.status());
  STILL_RETURN_IF_ERROR(Prepare());

  std::vector<StageOutcome> outcomes;
  for (const StagePlan& stage : plan) {
    if (stage.stage > last) break;
    if (stops > 0)
      return Error(Code::kCancelled, "interrupted before {}; run the same command again to resume",
                   StageName(stage.stage));
    if (artifacts_.Has(ArtifactKind(stage.stage), stage.digest)) {
      outcomes.push_back({.stage = stage.stage, .reused = true});
      continue;
    }
    const Clock::TimePoint start = clock_.Now();
    observer_.OnStageStarted(stage);
    const Status outcome = RunStage(plan, stage, stops);
    const double seconds = SecondsSince(clock_, start);
    observer_.OnStageFinished(stage, seconds, outcome);
    STILL_RETURN_IF_ERROR(outcome);
    outcomes.push_back({.stage = stage.stage, .seconds = seconds});
  }
  return outcomes;
}

// Clears what killed runs left half-made and records what this one was asked to do.
Status PipelineDriver::Prepare() {
  for (std::size_t stage = 0; stage < kStages; ++stage) {
    const std::string directory = JoinPath(artifacts_.root(), ArtifactKind(static_cast<Stage>(stage)));
    STILL_RETURN_IF_ERROR(MakeDirectories(directory));
    STILL_RETURN_IF_ERROR(RemoveStaleTemporaries(directory));
  }
  STILL_RETURN_IF_ERROR(RemoveStaleTemporaries(run_directory_));
  return WriteFileAtomically(JoinPath(run_directory_, "effective.yaml"), ToYaml(config_));
}

Status PipelineDriver::RunStage(const Plan& plan, const StagePlan& stage, const std::atomic<int>& stops) {
  const std::string_view kind = ArtifactKind(stage.stage);
  // Runs of other names may want the same artifact; its checkpoints and unfinished shards have one writer at a time.
  STILL_RETURN_IF_ERROR(MakeDirectories(JobDirectory(stage)));
  const auto lock = FileLock::TryAcquire(JoinPath(JobDirectory(stage), "lock"));
  if (lock.status().code() == Code::kUnavailable)
    return Error(Code::kUnavailable, "another run is making {} {}; wait for it, then run again", kind, stage.digest);
  STILL_RETURN_IF_ERROR(lock.status());
  if (artifacts_.Has(kind, stage.digest)) return Ok();
  STILL_RETURN_IF_ERROR(stage.stage == Stage::kCorpus ? BuildCorpusHere(stage) : LaunchStage(plan, stage, stops));
  if (artifacts_.Has(kind, stage.digest)) return Ok();
  return Error(Code::kInternal, "{} ended well, but its artifact {} does not exist: still and its workers disagree",
               StageName(stage.stage), artifacts_.PathOf(kind, stage.digest));
}

Status PipelineDriver::BuildCorpusHere(const StagePlan& stage) {
  const shards::CorpusOptions options = CorpusOptionsOf(config_);
  STILL_ASSIGN_OR_RETURN(const IdentityBuilder identity, shards::CorpusIdentity(options));
  if (identity.Digest() != stage.digest) {
    return Error(Code::kInvalidArgument, "an input of the corpus changed since the plan was made; run again");
  }
  return shards::BuildCorpus(options, identity, artifacts_, [&](const shards::CorpusProgress& progress) {
    observer_.OnProgress(stage, {.done = progress.input_bytes_done,
                                 .total = progress.input_bytes_total,
                                 .unit = "bytes",
                                 .tokens = progress.tokens,
                                 .values = {{"documents", static_cast<double>(progress.documents)}}});
  });
}

Status PipelineDriver::LaunchStage(const Plan& plan, const StagePlan& stage, const std::atomic<int>& stops) {
  STILL_ASSIGN_OR_RETURN(AgentJob job, JobOf(plan, stage));
  const stillhouse::v1::WorkerTask task = TaskOf(plan, stage);
  LauncherAgent agent(
      std::move(job), task, launcher_, clock_,
      {.on_progress = [&](const StageProgress& progress) { observer_.OnProgress(stage, progress); },
       .on_recovery = [&](const std::string& text) { observer_.OnRecovery(stage, text); },
       .on_storage_trouble = [&](const std::string& text) { observer_.OnStorageTrouble(stage, text); }});
  return agent.Run(stops);
}

Result<AgentJob> PipelineDriver::JobOf(const Plan& plan, const StagePlan& stage) const {
  const std::string name(StageName(stage.stage));
  AgentJob job{.stage = name,
               .journal_path = JoinPath(JobDirectory(stage), "journal"),
               .policy = {.stage = name, .same_step_failures = config_.recovery().same_step_failures()},
               .launch = {.ranks = RunsOnOneRank(stage.stage) ? 1 : config_.ranks(),
                          .threads_per_rank = ThreadsFor(stage.stage),
                          .program = worker_program_,
                          .log_path = JoinPath(run_directory_, name + ".log")},
               .task_path = JoinPath(run_directory_, fmt::format("task-{}.json", name)),
               .is_made = [this, stage] { return artifacts_.Has(ArtifactKind(stage.stage), stage.digest); }};
  if (Trains(stage.stage)) {
    const auto& train = stage.stage == Stage::kTeacher ? config_.teacher().fit() : config_.train();
    job.checkpoint_directory = JoinPath(JoinPath(artifacts_.root(), "checkpoints"), stage.digest);
    job.retention = {.keep_last = train.keep_checkpoints(), .keep_every = train.keep_every()};
  }
  if (stage.stage == Stage::kTargets) {
    const std::string corpus = artifacts_.PathOf(ArtifactKind(Stage::kCorpus), At(plan, Stage::kCorpus).digest);
    STILL_ASSIGN_OR_RETURN(const auto view, shards::CorpusView::Open(corpus, shards::Split::kTrain));
    job.shards = view->shards();
    job.quarantine = [this, stage](std::uint32_t shard) {
      return shards::QuarantineTargetShard(artifacts_, stage.digest, shard);
    };
  }
  job.in_place = config_.recovery().mode() == stillhouse::v1::RECOVERY_MODE_INPLACE && config_.ranks() > 1 &&
                 (Trains(stage.stage) || stage.stage == Stage::kTargets);
  return job;
}

// What all launches of a stage have in common.
stillhouse::v1::WorkerTask PipelineDriver::TaskOf(const Plan& plan, const StagePlan& stage) const {
  stillhouse::v1::WorkerTask task;
  task.set_stage(StageOnTheWire(stage.stage));
  *task.mutable_config() = config_;
  task.mutable_config()->set_threads_per_rank(ThreadsFor(stage.stage));
  task.set_identity(stage.identity);
  stillhouse::v1::Artifacts& artifacts = *task.mutable_artifacts();
  artifacts.set_corpus(At(plan, Stage::kCorpus).digest);
  artifacts.set_teacher(At(plan, Stage::kTeacher).digest);
  artifacts.set_targets(At(plan, Stage::kTargets).digest);
  artifacts.set_student(At(plan, Stage::kTrain).digest);
  artifacts.set_report(At(plan, Stage::kEvaluate).digest);
  artifacts.set_export_(At(plan, Stage::kExport).digest);
  return task;
}

std::string PipelineDriver::JobDirectory(const StagePlan& stage) const {
  return JoinPath(JoinPath(artifacts_.root(), "jobs"), fmt::format("{}-{}", ArtifactKind(stage.stage), stage.digest));
}

// Evaluation times inference as a user of the whole machine would see it.
std::uint32_t PipelineDriver::ThreadsFor(Stage stage) const {
  if (stage != Stage::kEvaluate) return config_.threads_per_rank();
  return std::max(1U, std::thread::hardware_concurrency());
}

}  // namespace still::coordinator
