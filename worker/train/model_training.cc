#include "worker/train/model_training.h"

#include <algorithm>
#include <utility>

#include "common/storage/files.h"
#include "worker/model/model_files.h"
#include "worker/train/trainer.h"

namespace still::worker {
namespace {

std::string CheckpointDirectory(const Task& task, const std::string& identity) {
  return ArtifactStore(task.artifacts_root).PathOf("checkpoints", identity);
}

KeeperOptions KeeperOptionsOf(const Task& task, const std::string& identity, const TrainOptions& options) {
  KeeperOptions keeper{.checkpoint_directory = CheckpointDirectory(task, identity),
                       .published = task.checkpoints,
                       .snapshot_directory = task.snapshot_directory,
                       .schedule = {.steps = options.checkpoint_steps, .seconds = options.checkpoint_seconds},
                       .generation = task.generation};
  if (task.failure_interval_seconds > 0) keeper.schedule.failure_interval_seconds = task.failure_interval_seconds;
  return keeper;
}

}  // namespace

Result<bool> IsDone(Communicator& world, const ArtifactStore& artifacts, const std::string& kind,
                    const std::string& digest) {
  std::string done = artifacts.Has(kind, digest) ? "yes" : "no";
  STILL_RETURN_IF_ERROR(world.Broadcast(&done, 0));
  return done == "yes";
}

Result<std::unique_ptr<shards::CorpusView>> OpenTrainSplit(const Task& task, const ModelShape& shape) {
  const std::string directory = ArtifactStore(task.artifacts_root).PathOf("corpus", task.corpus);
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
  const Task& task = context.task;
  const TrainOptions& options = training.options;
  const shards::Masker masker(training.mask, training.corpus.token_counts(), training.corpus.special_tokens());
  STILL_ASSIGN_OR_RETURN(const StepPlanner planner,
                         StepPlanner::Create({.seed = task.seed,
                                              .corpus_digest = task.corpus,
                                              .epochs = options.epochs,
                                              .max_steps = options.max_steps,
                                              .sequences_per_step = options.sequences_per_step,
                                              .microbatch_tokens = options.microbatch_tokens,
                                              .mask_variants = training.mask.variants,
                                              .targets_at_all_positions = task.targets_at_all_positions},
                                             training.corpus, masker));
  const BatchSource source(training.corpus, masker, training.targets, task.targets_at_all_positions);
  Trainer trainer({.name = training.name,
                   .identity = training.identity,
                   .seed = task.seed,
                   .sequences = training.corpus.sequences(),
                   .options = options,
                   .keeper = KeeperOptionsOf(task, training.identity, options),
                   .compute = {.matmul = task.bf16 ? at::kBFloat16 : at::kFloat},
                   .planner = planner,
                   .source = source,
                   .teacher = training.teacher},
                  model, context.world, context.control, context.progress);
  return trainer.Run();
}

void RemoveSnapshots(const StageContext& context, const std::string& identity) {
  if (context.world.host_place().index == 0)
    MemorySnapshot(context.task.snapshot_directory, CheckpointDirectory(context.task, identity), identity, 0).Remove();
}

Status WriteModelArtifact(const StageContext& context, const ParameterSet& model, const std::string& identity,
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

}  // namespace still::worker
