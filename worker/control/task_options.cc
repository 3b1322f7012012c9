#include "worker/control/task_options.h"

namespace still::worker {

shards::MaskPolicy MaskPolicyOf(const v1::MaskConfig& config) {
  return {.seed = config.seed(), .rate = config.rate(), .smoothing = config.smoothing(), .variants = config.variants()};
}

shards::TargetSpec TargetSpecOf(const v1::TargetsConfig& config) {
  const bool top_k = config.codec() == v1::TARGET_CODEC_TOPK;
  return {.codec = top_k ? shards::TargetCodec::kTopK : shards::TargetCodec::kHiddenF16,
          .width = top_k ? config.top_k() : 0,
          .temperature = config.temperature()};
}

}  // namespace still::worker
