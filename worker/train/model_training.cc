#include "worker/train/model_training.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>

#include "common/log.h"
#include "common/storage/files.h"
#include "common/storage/staging.h"
#include "worker/collective/agree.h"
#include "worker/control/task_options.h"
#include "worker/device/device.h"
#include "worker/model/model_files.h"
#include "worker/train/trainer.h"

namespace still::worker {
namespace {

std::string CheckpointDirectory(const v1::WorkerTask& task, const std::string& identity) {
  return ArtifactStore(task.config().artifacts()).PathOf("checkpoints", identity);
}

// Returns the memory file system for snapshots; empty when no snapshots are wanted.
std::string SnapshotDirectory(const v1::WorkerTask& task) {
  const std::string& directory = task.config().recovery().snapshot_directory();
  return directory == "none" ? "" : directory;
}

KeeperOptions KeeperOptionsOf(const v1::WorkerTask& task, const std::string& identity, const TrainOptions& options) {
  KeeperOptions keeper{.checkpoint_directory = CheckpointDirectory(task, identity),
                       .snapshot_directory = SnapshotDirectory(task),
                       .schedule = {.steps = options.checkpoint_steps, .seconds = options.checkpoint_seconds},
                       .generation = task.generation()};
  keeper.published.assign(task.checkpoints().begin(), task.checkpoints().end());
  const double failure_interval_hours = task.config().recovery().failure_interval_hours();
  if (failure_interval_hours > 0) keeper.schedule.failure_interval_seconds = failure_interval_hours * 3600;
  return keeper;
}

Status WriteModelFiles(const StageContext& context, const ParameterSet& model, const std::string& identity,
                       const Summary& extra, const std::string& directory) {
  STILL_RETURN_IF_ERROR(SaveModel(model, directory));
  const std::string metrics = MetricsPath(CheckpointDirectory(context.task, identity));
  STILL_ASSIGN_OR_RETURN(Summary summary, SummariseMetrics(metrics));
  if (Exists(metrics)) {
    STILL_ASSIGN_OR_RETURN(const std::string lines, ReadFile(metrics));
    STILL_RETURN_IF_ERROR(WriteFileAtomically(MetricsPath(directory), lines));
  }
  summary["ranks"] = context.world.size();
  summary["parameters"] = static_cast<double>(model.shape().Parameters());
  summary.insert(extra.begin(), extra.end());
  return WriteSummary(directory, summary);
}

}  // namespace

Result<bool> IsDone(Communicator& world, const ArtifactStore& artifacts, const std::string& kind,
                    const std::string& digest) {
  bool done = artifacts.Has(kind, digest);
  STILL_RETURN_IF_ERROR(world.Broadcast(std::as_writable_bytes(std::span(&done, 1)), 0));
  return done;
}

Result<std::unique_ptr<shards::CorpusView>> OpenTrainSplit(const v1::WorkerTask& task, const ModelShape& shape) {
  const std::string directory = ArtifactStore(task.config().artifacts()).PathOf("corpus", task.artifacts().corpus());
  STILL_ASSIGN_OR_RETURN(auto corpus, shards::CorpusView::Open(directory, shards::Split::kTrain));
  if (corpus->vocabulary_size() != shape.vocabulary)
    return Error(Code::kInvalidArgument,
                 "corpus {} has a vocabulary of {}, the model one of {}; set corpus.vocab to the teacher's vocab.txt",
                 directory, corpus->vocabulary_size(), shape.vocabulary);
  std::uint32_t longest = 0;
  for (std::uint64_t i = 0; i < corpus->sequences(); ++i) longest = std::max(longest, corpus->Length(i));
  if (longest > shape.positions)
    return Error(Code::kInvalidArgument,
                 "corpus {} has sequences of {} tokens, the model reads at most {}; lower corpus.max_sequence_tokens",
                 directory, longest, shape.positions);
  return corpus;
}

Status TrainModel(const StageContext& context, const ModelTraining& training, ParameterSet& model) {
  const v1::WorkerTask& task = context.task;
  const TrainOptions& options = training.options;
  const shards::Masker masker(training.mask, training.corpus.token_counts(), training.corpus.special_tokens());
  STILL_ASSIGN_OR_RETURN(const StepPlanner planner,
                         StepPlanner::Create({.seed = task.config().seed(),
                                              .corpus_digest = task.artifacts().corpus(),
                                              .epochs = options.epochs,
                                              .max_steps = options.max_steps,
                                              .sequences_per_step = options.sequences_per_step,
                                              .microbatch_tokens = options.microbatch_tokens,
                                              .mask_variants = training.mask.variants,
                                              .targets_at_all_positions = HasTargetsAtAllPositions(task.config())},
                                             training.corpus, masker));
  const BatchSource source(training.corpus, masker, training.targets, HasTargetsAtAllPositions(task.config()));
  const at::Device device = DeviceOf(task.config().worker().device());
  std::optional<ParameterSet> student, teacher;  // on a device of their own memory
  if (!device.is_cpu()) {
    student.emplace(model.To(device));
    if (training.teacher != nullptr) teacher.emplace(training.teacher->To(device));
  }
  Trainer trainer({.name = training.name,
                   .identity = training.identity,
                   .seed = task.config().seed(),
                   .sequences = training.corpus.sequences(),
                   .options = options,
                   .keeper = KeeperOptionsOf(task, training.identity, options),
                   .compute = {.matmul = UsesBf16(task.config()) ? at::kBFloat16 : at::kFloat},
                   .planner = planner,
                   .source = source,
                   .teacher = teacher ? &*teacher : training.teacher},
                  student ? *student : model, context.world, context.control, context.progress);
  STILL_RETURN_IF_ERROR(trainer.Run());
  if (student) model.weights().copy_(student->weights());
  return Ok();
}

Status CommitModel(const StageContext& context, const ParameterSet& model, const std::string& kind,
                   const std::string& digest, const Summary& extra,
                   const std::function<Status(const std::string& directory)>& add_files) {
  const ArtifactStore artifacts(context.task.config().artifacts());
  const auto commit = [&]() -> Status {
    context.progress.Enter(v1::PHASE_COMMIT);
    STILL_ASSIGN_OR_RETURN(const std::unique_ptr<StagedDirectory> staged,
                           artifacts.Begin(kind, IdentityBuilder::FromText(context.task.identity())));
    STILL_RETURN_IF_ERROR(WriteModelFiles(context, model, digest, extra, staged->path()));
    STILL_RETURN_IF_ERROR(add_files(staged->path()));
    STILL_RETURN_IF_ERROR(CommitArtifact(*staged));
    LogInfo("{} {} with weights {}", kind, artifacts.PathOf(kind, digest), model.WeightsDigest());
    return Ok();
  };
  const Status committed = Agree(context.world, context.world.rank() == 0 ? commit() : Ok());
  if (artifacts.Has(kind, digest) && context.world.host_place().index == 0)
    MemorySnapshot(SnapshotDirectory(context.task), CheckpointDirectory(context.task, digest), digest, 0).Remove();
  return committed;
}

}  // namespace still::worker
