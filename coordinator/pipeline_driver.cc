#include "coordinator/pipeline_driver.h"

#include <charconv>
#include <thread>

#include "common/config.h"
#include "common/files.h"
#include "common/proto/control.pb.h"
#include "coordinator/corpus_options.h"
#include "shards/corpus_view.h"

namespace still::coordinator {
namespace {

stillhouse::v1::Stage StageOnTheWire(Stage stage) {
  return static_cast<stillhouse::v1::Stage>(static_cast<int>(stage) + static_cast<int>(stillhouse::v1::STAGE_CORPUS));
}
static_assert(static_cast<int>(Stage::kExport) + stillhouse::v1::STAGE_CORPUS == stillhouse::v1::STAGE_EXPORT);

// Measurements and a file conversion: one rank does them.
bool RunsOnOneRank(Stage stage) { return stage == Stage::kEvaluate || stage == Stage::kExport; }

const StagePlan& At(const Plan& plan, Stage stage) { return plan[static_cast<std::size_t>(stage)]; }

}  // namespace

PipelineDriver::PipelineDriver(const stillhouse::v1::PipelineConfig& config, std::string worker_program,
                               cluster::Launcher& launcher, const Clock& clock, RunObserver& observer)
    : config_(config),
      worker_program_(std::move(worker_program)),
      launcher_(launcher),
      clock_(clock),
      observer_(observer),
      artifacts_(config.artifacts()),
      run_directory_(JoinPath(JoinPath(config.artifacts(), "runs"), config.name())) {}

Result<std::vector<StageOutcome>> PipelineDriver::Run(const Plan& plan, const std::atomic<bool>& stop) {
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
    if (stop)
      return Error(Code::kCancelled, "interrupted before {}; run the same command again to resume",
                   StageName(stage.stage));
    if (artifacts_.Has(ArtifactKind(stage.stage), stage.digest)) {
      outcomes.push_back({.stage = stage.stage, .reused = true});
      continue;
    }
    const Clock::TimePoint start = clock_.Now();
    observer_.OnStageStarted(stage);
    const Status outcome = RunStage(plan, stage, stop);
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

Status PipelineDriver::RunStage(const Plan& plan, const StagePlan& stage, const std::atomic<bool>& stop) {
  const std::string_view kind = ArtifactKind(stage.stage);
  // Runs of other names may want the same artifact; its checkpoints and unfinished shards have one writer at a time.
  const std::string locks = JoinPath(artifacts_.root(), "locks");
  STILL_RETURN_IF_ERROR(MakeDirectories(locks));
  const auto lock = FileLock::TryAcquire(JoinPath(locks, fmt::format("{}-{}", kind, stage.digest)));
  if (lock.status().code() == Code::kUnavailable)
    return Error(Code::kUnavailable, "another run is making {} {}; wait for it, then run again", kind, stage.digest);
  STILL_RETURN_IF_ERROR(lock.status());
  if (artifacts_.Has(kind, stage.digest)) return Ok();
  STILL_RETURN_IF_ERROR(stage.stage == Stage::kCorpus ? BuildCorpusHere(stage) : LaunchStage(plan, stage, stop));
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

Status PipelineDriver::LaunchStage(const Plan& plan, const StagePlan& stage, const std::atomic<bool>& stop) {
  StageServerOptions options;
  options.stage = StageName(stage.stage);
  options.log_path = JoinPath(run_directory_, options.stage + ".log");
  options.on_progress = [&](const StageProgress& progress) { observer_.OnProgress(stage, progress); };
  if (stage.stage == Stage::kTargets) {
    const std::string corpus = artifacts_.PathOf(ArtifactKind(Stage::kCorpus), At(plan, Stage::kCorpus).digest);
    STILL_ASSIGN_OR_RETURN(const auto view, shards::CorpusView::Open(corpus, shards::Split::kTrain));
    options.shards = view->shards();
  }
  STILL_ASSIGN_OR_RETURN(options.generation, NextGeneration());
  const std::string log_path = options.log_path;
  const std::uint64_t generation = options.generation;
  STILL_ASSIGN_OR_RETURN(const auto server, StageServer::Bind(std::move(options), clock_));
  STILL_ASSIGN_OR_RETURN(const std::string task, WriteTask(plan, stage, generation, server->endpoint()));
  STILL_ASSIGN_OR_RETURN(const auto job, launcher_.Launch({.ranks = RunsOnOneRank(stage.stage) ? 1 : config_.ranks(),
                                                           .threads_per_rank = ThreadsFor(stage.stage),
                                                           .program = worker_program_,
                                                           .arguments = {"--task", task},
                                                           .log_path = log_path}));
  return server->Run(*job, stop);
}

// Evaluation times inference as a user of the whole machine would see it.
std::uint32_t PipelineDriver::ThreadsFor(Stage stage) const {
  if (stage != Stage::kEvaluate) return config_.threads_per_rank();
  return std::max(1U, std::thread::hardware_concurrency());
}

Result<std::string> PipelineDriver::WriteTask(const Plan& plan, const StagePlan& stage, std::uint64_t generation,
                                              const std::string& endpoint) const {
  stillhouse::v1::WorkerTask task;
  task.set_stage(StageOnTheWire(stage.stage));
  *task.mutable_config() = config_;
  task.mutable_config()->set_threads_per_rank(ThreadsFor(stage.stage));
  task.set_generation(generation);
  task.set_endpoint(endpoint);
  task.set_identity(stage.identity);
  stillhouse::v1::Artifacts& artifacts = *task.mutable_artifacts();
  artifacts.set_corpus(At(plan, Stage::kCorpus).digest);
  artifacts.set_teacher(At(plan, Stage::kTeacher).digest);
  artifacts.set_targets(At(plan, Stage::kTargets).digest);
  artifacts.set_student(At(plan, Stage::kTrain).digest);
  artifacts.set_report(At(plan, Stage::kEvaluate).digest);
  artifacts.set_export_(At(plan, Stage::kExport).digest);
  STILL_ASSIGN_OR_RETURN(const std::string json, ToJson(task));
  const std::string path = JoinPath(run_directory_, fmt::format("task-{}.json", StageName(stage.stage)));
  STILL_RETURN_IF_ERROR(WriteFileAtomically(path, json));
  return path;
}

// The fencing number of the next launch, on disk before anyone hears of it.
Result<std::uint64_t> PipelineDriver::NextGeneration() const {
  const std::string path = JoinPath(run_directory_, "generation");
  std::uint64_t last = 0;
  if (Exists(path)) {
    STILL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), last);
    if (error != std::errc() || std::string_view(end) != "\n") {
      return Error(Code::kDataLoss, "{}: not a number; write one above that of any checkpoint of {} into it", path,
                   config_.name());
    }
  }
  STILL_RETURN_IF_ERROR(WriteFileAtomically(path, fmt::format("{}\n", last + 1)));
  return last + 1;
}

}  // namespace still::coordinator
