#include <algorithm>
#include <memory>
#include <utility>

#include "common/faults/fault_point.h"
#include "worker/collective/agree.h"
#include "worker/control/task_options.h"
#include "worker/model/model_files.h"
#include "worker/model/student_layers.h"
#include "worker/train/model_training.h"

namespace still::worker {
namespace {

struct Distillation {
  ParameterSet teacher;
  ParameterSet student;
  std::unique_ptr<shards::CorpusView> corpus;
  std::unique_ptr<shards::TargetSet> targets;  // null when no loss needs targets
};

Status CheckTargets(const shards::TargetSpec& spec, const LossWeights& loss, const ModelShape& teacher) {
  if (spec.codec == shards::TargetCodec::kHiddenF16) {
    if (spec.width == teacher.hidden) return Ok();
    return Error(Code::kDataLoss, "the targets hold hidden states of {} values, the teacher's have {}", spec.width,
                 teacher.hidden);
  }
  if (loss.alpha_cos > 0)
    return Error(Code::kInvalidArgument,
                 "train.alpha_cos is {}, but targets.codec topk holds no hidden states; set it to 0 or use hidden_f16",
                 loss.alpha_cos);
  if (loss.alpha_ce > 0 && spec.temperature != loss.temperature)
    return Error(Code::kInvalidArgument,
                 "train.temperature is {}, but the topk targets were made for {}; set targets.temperature to the same",
                 loss.temperature, spec.temperature);
  return Ok();
}

Result<Distillation> Prepare(const v1::WorkerTask& task, const ArtifactStore& artifacts) {
  STILL_ASSIGN_OR_RETURN(ParameterSet teacher,
                         LoadModel(artifacts.PathOf("teacher", task.artifacts().teacher()), false));
  const std::int64_t layers =
      task.config().student().layers() > 0 ? task.config().student().layers() : (teacher.shape().layers + 1) / 2;
  ParameterSet student =
      InitialiseStudent(teacher, layers, task.config().student().from_teacher(), task.config().seed());
  STILL_ASSIGN_OR_RETURN(auto corpus, OpenTrainSplit(task, student.shape()));
  std::unique_ptr<shards::TargetSet> targets;
  const LossWeights loss = TrainOptionsOf(task.config().train()).loss;
  if (loss.alpha_ce > 0 || loss.alpha_cos > 0) {
    STILL_ASSIGN_OR_RETURN(targets, shards::TargetSet::Open(artifacts.PathOf("targets", task.artifacts().targets())));
    STILL_RETURN_IF_ERROR(CheckTargets(targets->spec(), loss, teacher.shape()));
  }
  return Distillation{std::move(teacher), std::move(student), std::move(corpus), std::move(targets)};
}

}  // namespace

Status RunTrainStage(const StageContext& context) {
  const v1::WorkerTask& task = context.task;
  Communicator& world = context.world;
  const ArtifactStore artifacts(task.config().artifacts());
  STILL_ASSIGN_OR_RETURN(const bool done, IsDone(world, artifacts, "student", task.artifacts().student()));
  if (done) return Ok();
  Result<Distillation> prepared = Prepare(task, artifacts);
  STILL_RETURN_IF_ERROR(Agree(world, prepared.status()));
  STILL_RETURN_IF_ERROR(TrainModel(context,
                                   {.name = "train",
                                    .identity = task.artifacts().student(),
                                    .options = TrainOptionsOf(task.config().train()),
                                    .mask = MaskPolicyOf(task.config().targets().mask()),
                                    .corpus = *prepared->corpus,
                                    .targets = prepared->targets.get(),
                                    .teacher = &prepared->teacher},
                                   prepared->student));
  return CommitModel(context, prepared->student, "student", task.artifacts().student(), {},
                     [](const std::string&) { return FaultPoint("train.commit"); });
}

}  // namespace still::worker
