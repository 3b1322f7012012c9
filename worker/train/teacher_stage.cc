#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "common/faults/fault_point.h"
#include "common/random.h"
#include "common/storage/file_digest.h"
#include "common/storage/files.h"
#include "worker/collective/agree.h"
#include "worker/control/task_options.h"
#include "worker/model/model_files.h"
#include "worker/train/model_training.h"

namespace still::worker {
namespace {

constexpr std::uint64_t kFitMask = 0x666974;  // keeps the fit's masks apart from those that students are trained on

// Fits the head by masked language modelling alone, with a new mask every epoch.
Status FitHead(const StageContext& context, ParameterSet& teacher) {
  const v1::WorkerTask& task = context.task;
  Result<std::unique_ptr<shards::CorpusView>> corpus = OpenTrainSplit(task, teacher.shape());
  STILL_RETURN_IF_ERROR(Agree(context.world, corpus.status()));
  ModelTraining training{.name = "teacher",
                         .identity = task.artifacts().teacher(),
                         .options = TrainOptionsOf(task.config().teacher().fit()),
                         .mask = MaskPolicyOf(task.config().targets().mask()),
                         .corpus = **corpus};
  training.options.loss.alpha_ce = training.options.loss.alpha_cos = 0;
  training.mask.seed = MixKey({training.mask.seed, kFitMask});
  training.mask.variants = std::max(training.options.epochs, 1U);
  return TrainModel(context, training, teacher);
}

// Checks that the teacher's files are those of the identity. The plan with their digests may have been made long ago.
Status CheckUnchanged(const v1::WorkerTask& task) {
  constexpr std::pair<std::string_view, std::string_view> kFiles[] = {
      {"config", "config.json"}, {"model", "model.safetensors"}, {"vocab", "vocab.txt"}};
  const IdentityBuilder identity = IdentityBuilder::FromText(task.identity());
  for (const auto& [field, name] : kFiles) {
    const std::string path = JoinPath(task.config().teacher().path(), name);
    STILL_ASSIGN_OR_RETURN(const Sha256Digest digest, Sha256OfFile(path));
    if (!identity.Has(field, Hex(digest)))
      return Error(Code::kInvalidArgument, "{} changed since the plan was made; run again", path);
  }
  return Ok();
}

}  // namespace

Status RunTeacherStage(const StageContext& context) {
  const v1::WorkerTask& task = context.task;
  Communicator& world = context.world;
  const ArtifactStore artifacts(task.config().artifacts());
  STILL_ASSIGN_OR_RETURN(const bool done, IsDone(world, artifacts, "teacher", task.artifacts().teacher()));
  if (done) return Ok();
  STILL_RETURN_IF_ERROR(Agree(world, CheckUnchanged(task)));
  Result<ImportedTeacher> teacher = ImportHuggingFaceBert(task.config().teacher().path(), /*trainable=*/true);
  STILL_RETURN_IF_ERROR(Agree(world, teacher.status()));
  if (!teacher->has_head) STILL_RETURN_IF_ERROR(FitHead(context, teacher->parameters));
  context.progress.Enter(v1::PHASE_WAIT);  // the others wait, for as long as the disk takes
  return CommitModel(context, teacher->parameters, "teacher", task.artifacts().teacher(),
                     {{"fitted", teacher->has_head ? 0 : 1}}, [&](const std::string& directory) -> Status {
                       STILL_ASSIGN_OR_RETURN(const std::string vocabulary,
                                              ReadFile(JoinPath(task.config().teacher().path(), "vocab.txt")));
                       STILL_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(directory, "vocab.txt"), vocabulary));
                       return FaultPoint("teacher.commit");
                     });
}

}  // namespace still::worker
