#include "worker/control/task_options.h"

namespace still::worker {

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
