#include "worker/control/task.h"

#include <utility>

#include "common/config/config.h"
#include "common/digest.h"
#include "common/proto/control.pb.h"
#include "common/storage/files.h"
#include "shards/corpus/corpus_config.h"

namespace still::worker {
namespace {

namespace v1 = ::stillhouse::v1;

Status Invalid(const std::string& path, std::string_view field, std::string_view problem) {
  return Error(Code::kInvalidArgument,
               "{}: {} {}; the driver writes this file: run the pipeline again, with still and still-worker of the "
               "same version",
               path, field, problem);
}

TrainOptions TrainOptionsOf(const v1::TrainConfig& config) {
  return {.loss = {.alpha_ce = config.alpha_ce(),
                   .alpha_mlm = config.alpha_mlm(),
                   .alpha_cos = config.alpha_cos(),
                   .temperature = config.temperature()},
          .optimizer = {.beta1 = config.beta1(),
                        .beta2 = config.beta2(),
                        .epsilon = config.epsilon(),
                        .weight_decay = config.weight_decay(),
                        .clip_norm = config.clip_norm()},
          .epochs = config.epochs(),
          .max_steps = config.max_steps(),
          .sequences_per_step = config.sequences_per_step(),
          .microbatch_tokens = config.microbatch_tokens(),
          .learning_rate = config.learning_rate(),
          .warmup_percent = config.warmup_percent(),
          .dropout = config.dropout(),
          .attention_dropout = config.attention_dropout(),
          .checkpoint_steps = config.checkpoint_steps(),
          .checkpoint_seconds = config.checkpoint_seconds(),
          .fast_reduction = config.reduction() == v1::REDUCTION_FAST};
}

Result<Stage> StageOf(v1::Stage stage, const std::string& path) {
  switch (stage) {
    case v1::STAGE_CORPUS: return Stage::kCorpus;
    case v1::STAGE_TEACHER: return Stage::kTeacher;
    case v1::STAGE_TARGETS: return Stage::kTargets;
    case v1::STAGE_TRAIN: return Stage::kTrain;
    case v1::STAGE_EVALUATE: return Stage::kEvaluate;
    case v1::STAGE_EXPORT: return Stage::kExport;
    default: return Invalid(path, "stage", "is not one that a worker runs");
  }
}

Result<shards::TargetSpec> TargetSpecOf(const v1::TargetsConfig& config, const std::string& path) {
  shards::TargetSpec spec{.temperature = config.temperature()};
  switch (config.codec()) {
    case v1::TARGET_CODEC_HIDDEN_F16: spec.codec = shards::TargetCodec::kHiddenF16; return spec;
    case v1::TARGET_CODEC_TOPK:
      spec.codec = shards::TargetCodec::kTopK;
      spec.width = config.top_k();
      if (spec.width == 0) return Invalid(path, "config.targets.top_k", "is 0, but the codec is topk");
      return spec;
    default: return Invalid(path, "config.targets.codec", "is not set");
  }
}

Status SetRecovery(const v1::WorkerTask& message, const std::string& path, Task* task) {
  const v1::RecoveryConfig& config = message.config().recovery();
  switch (message.recovery()) {
    case v1::RECOVERY_MODE_INPLACE: task->recovery = RecoveryMode::kInplace; break;
    case v1::RECOVERY_MODE_RELAUNCH: task->recovery = RecoveryMode::kRelaunch; break;
    default: return Invalid(path, "recovery", "is neither inplace nor relaunch");
  }
  // Written so that NaN is refused, too: it would make a limit that nothing ever reaches.
  if (!(config.hang_seconds() > 0)) return Invalid(path, "config.recovery.hang_seconds", "is not above 0");
  if (!(config.hang_factor() >= 0)) return Invalid(path, "config.recovery.hang_factor", "is below 0");
  if (!(config.orphan_seconds() > 0)) return Invalid(path, "config.recovery.orphan_seconds", "is not above 0");
  task->hang_seconds = config.hang_seconds();
  task->hang_factor = config.hang_factor();
  task->orphan_seconds = config.orphan_seconds();
  task->snapshot_directory = config.snapshot_directory() == "none" ? "" : config.snapshot_directory();
  task->failure_interval_seconds = config.failure_interval_hours() * 3600;
  return Ok();
}

Result<std::vector<CheckpointManifest>> ManifestsOf(const v1::WorkerTask& message, const std::string& path) {
  std::vector<CheckpointManifest> manifests;
  for (int i = 0; i < message.checkpoints_size(); ++i) {
    Result<CheckpointManifest> manifest = ParseManifest(message.checkpoints(i));
    if (!manifest.ok()) return Invalid(path, fmt::format("checkpoints[{}]", i), manifest.status().message());
    manifests.push_back(*std::move(manifest));
  }
  return manifests;
}

std::optional<RpcClientKeys> KeysOf(const v1::WorkerTask& message) {
  if (!message.has_keys()) return std::nullopt;
  const v1::ControlKeys& keys = message.keys();
  return RpcClientKeys{.server = keys.server_public(), .own = {keys.client_public(), keys.client_secret()}};
}

Status CheckResolved(const v1::WorkerTask& message, const std::string& path) {
  const v1::PipelineConfig& config = message.config();
  if (message.generation() == 0) return Invalid(path, "generation", "is 0; generations count from 1");
  if (message.endpoint().empty()) return Invalid(path, "endpoint", "is empty");
  if (message.identity().empty()) return Invalid(path, "identity", "is empty");
  if (!config.artifacts().starts_with('/')) return Invalid(path, "config.artifacts", "is not an absolute path");
  if (config.threads_per_rank() == 0) return Invalid(path, "config.threads_per_rank", "is 0");
  if (config.precision() != v1::PRECISION_BF16 && config.precision() != v1::PRECISION_FP32)
    return Invalid(path, "config.precision", "is neither bf16 nor fp32");
  if (config.train().reduction() == v1::REDUCTION_UNSPECIFIED)
    return Invalid(path, "config.train.reduction", "is neither exact nor fast");
  if (config.targets().mask().variants() == 0) return Invalid(path, "config.targets.mask.variants", "is 0");
  if (config.targets().positions() == v1::POSITIONS_UNSPECIFIED)
    return Invalid(path, "config.targets.positions", "is not set");
  return Ok();
}

const std::string& DigestMadeBy(Stage stage, const Task& task) {
  switch (stage) {
    case Stage::kCorpus: return task.corpus;
    case Stage::kTeacher: return task.teacher;
    case Stage::kTargets: return task.targets;
    case Stage::kTrain: return task.student;
    case Stage::kEvaluate: return task.report;
    case Stage::kExport: return task.exported;
  }
  STILL_CHECK(false, "a stage that makes nothing");
}

}  // namespace

std::string_view StageName(Stage stage) {
  switch (stage) {
    case Stage::kCorpus: return "corpus";
    case Stage::kTeacher: return "teacher";
    case Stage::kTargets: return "targets";
    case Stage::kTrain: return "train";
    case Stage::kEvaluate: return "evaluate";
    case Stage::kExport: return "export";
  }
  STILL_CHECK(false, "a stage without a name");
}

Result<Task> LoadTask(const std::string& path) {
  STILL_ASSIGN_OR_RETURN(const std::string json, ReadFile(path));
  v1::WorkerTask message;
  STILL_RETURN_IF_ERROR(FromJson(json, path, &message));
  STILL_RETURN_IF_ERROR(CheckResolved(message, path));

  const v1::PipelineConfig& config = message.config();
  const v1::MaskConfig& mask = config.targets().mask();
  Task task;
  STILL_ASSIGN_OR_RETURN(task.stage, StageOf(message.stage(), path));
  STILL_ASSIGN_OR_RETURN(task.target_spec, TargetSpecOf(config.targets(), path));
  STILL_RETURN_IF_ERROR(SetRecovery(message, path, &task));
  STILL_ASSIGN_OR_RETURN(task.checkpoints, ManifestsOf(message, path));
  task.name = config.name();
  task.artifacts_root = config.artifacts();
  task.generation = message.generation();
  task.endpoint = message.endpoint();
  task.keys = KeysOf(message);
  task.identity = message.identity();
  task.corpus = message.artifacts().corpus();
  task.teacher = message.artifacts().teacher();
  task.targets = message.artifacts().targets();
  task.student = message.artifacts().student();
  task.report = message.artifacts().report();
  task.exported = message.artifacts().export_();
  task.seed = config.seed();
  task.threads = config.threads_per_rank();
  task.bf16 = config.precision() == v1::PRECISION_BF16;
  task.corpus_options = shards::CorpusOptionsOf(config.corpus());
  task.teacher_path = config.teacher().path();
  task.fit = TrainOptionsOf(config.teacher().fit());
  task.train = TrainOptionsOf(config.train());
  task.mask = {.seed = mask.seed(), .rate = mask.rate(), .smoothing = mask.smoothing(), .variants = mask.variants()};
  task.targets_at_all_positions = config.targets().positions() == v1::POSITIONS_ALL;
  task.student_layers = config.student().layers();
  task.student_from_teacher = config.student().from_teacher();
  task.evaluate_max_sequences = config.evaluate().max_sequences();
  task.evaluate_latency_runs = config.evaluate().latency_runs();
  task.lowercase = config.corpus().lowercase();
  if (IdentityBuilder::FromText(task.identity).Digest() != DigestMadeBy(task.stage, task))
    return Invalid(path, "identity", "does not have the digest that artifacts names for this stage");
  return task;
}

}  // namespace still::worker
