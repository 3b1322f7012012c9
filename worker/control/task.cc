#include "worker/control/task.h"

#include "common/config/config.h"
#include "common/digest.h"
#include "common/storage/files.h"

namespace still::worker {
namespace {

// Builds the errors about one file.
class TaskChecks {
 public:
  explicit TaskChecks(const std::string& path) : path_(path) {}

  Status Check(const v1::WorkerTask& task) const {
    if (!v1::Stage_IsValid(task.stage()) || task.stage() == v1::STAGE_UNSPECIFIED)
      return Invalid("stage", "is not one that a worker runs");
    if (task.generation() == 0) return Invalid("generation", "is 0; generations count from 1");
    if (task.endpoint().empty()) return Invalid("endpoint", "is empty");
    if (task.identity().empty()) return Invalid("identity", "is empty");
    STILL_RETURN_IF_ERROR(CheckConfig(task.config()));
    STILL_RETURN_IF_ERROR(CheckTargets(task.config().targets()));
    STILL_RETURN_IF_ERROR(CheckRecovery(task));
    if (IdentityBuilder::FromText(task.identity()).Digest() != DigestMadeBy(task))
      return Invalid("identity", "does not have the digest that artifacts names for this stage");
    return Ok();
  }

 private:
  Status Invalid(std::string_view field, std::string_view problem) const {
    return Error(Code::kInvalidArgument,
                 "{}: {} {}; the agent writes this file: run the pipeline again, with still and still-worker of the "
                 "same version",
                 path_, field, problem);
  }

  Status CheckConfig(const v1::PipelineConfig& config) const {
    if (!config.artifacts().starts_with('/')) return Invalid("config.artifacts", "is not an absolute path");
    if (config.threads_per_rank() == 0) return Invalid("config.threads_per_rank", "is 0");
    if (config.precision() != v1::PRECISION_BF16 && config.precision() != v1::PRECISION_FP32)
      return Invalid("config.precision", "is neither bf16 nor fp32");
    if (config.worker().device() == v1::DEVICE_UNSPECIFIED || config.worker().device() == v1::DEVICE_AUTO)
      return Invalid("config.worker.device", "is not resolved");
    if (config.train().reduction() == v1::REDUCTION_UNSPECIFIED)
      return Invalid("config.train.reduction", "is neither exact nor fast");
    return Ok();
  }

  Status CheckTargets(const v1::TargetsConfig& config) const {
    if (config.mask().variants() == 0) return Invalid("config.targets.mask.variants", "is 0");
    if (config.positions() == v1::POSITIONS_UNSPECIFIED) return Invalid("config.targets.positions", "is not set");
    if (config.codec() != v1::TARGET_CODEC_HIDDEN_F16 && config.codec() != v1::TARGET_CODEC_TOPK)
      return Invalid("config.targets.codec", "is not set");
    if (config.codec() == v1::TARGET_CODEC_TOPK && config.top_k() == 0)
      return Invalid("config.targets.top_k", "is 0, but the codec is topk");
    return Ok();
  }

  Status CheckRecovery(const v1::WorkerTask& task) const {
    if (task.recovery() != v1::RECOVERY_MODE_INPLACE && task.recovery() != v1::RECOVERY_MODE_RELAUNCH)
      return Invalid("recovery", "is neither inplace nor relaunch");
    const v1::RecoveryConfig& config = task.config().recovery();
    // The comparisons refuse NaN, too: it would make a limit that nothing ever reaches.
    if (!(config.hang_seconds() > 0)) return Invalid("config.recovery.hang_seconds", "is not above 0");
    if (!(config.hang_factor() >= 0)) return Invalid("config.recovery.hang_factor", "is below 0");
    if (!(config.orphan_seconds() > 0)) return Invalid("config.recovery.orphan_seconds", "is not above 0");
    return Ok();
  }

  static const std::string& DigestMadeBy(const v1::WorkerTask& task) {
    const v1::Artifacts& artifacts = task.artifacts();
    switch (task.stage()) {
      case v1::STAGE_CORPUS: return artifacts.corpus();
      case v1::STAGE_TEACHER: return artifacts.teacher();
      case v1::STAGE_TARGETS: return artifacts.targets();
      case v1::STAGE_TRAIN: return artifacts.student();
      case v1::STAGE_EVALUATE: return artifacts.report();
      case v1::STAGE_EXPORT: return artifacts.export_();
      default: STILL_CHECK(false, "a stage that makes nothing");
    }
  }

  const std::string& path_;
};

}  // namespace

Result<v1::WorkerTask> LoadTask(const std::string& path) {
  STILL_ASSIGN_OR_RETURN(const std::string json, ReadFile(path));
  v1::WorkerTask task;
  STILL_RETURN_IF_ERROR(FromJson(json, path, &task));
  STILL_RETURN_IF_ERROR(TaskChecks(path).Check(task));
  return task;
}

std::optional<RpcClientKeys> KeysOf(const v1::WorkerTask& task) {
  if (!task.has_keys()) return std::nullopt;
  const v1::ControlKeys& keys = task.keys();
  return RpcClientKeys{.server = keys.server_public(), .own = {keys.client_public(), keys.client_secret()}};
}

}  // namespace still::worker
