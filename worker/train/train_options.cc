#include "worker/train/train_options.h"

#include "common/proto/config.pb.h"

namespace still::worker {

TrainOptions TrainOptionsOf(const stillhouse::v1::TrainConfig& config) {
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
          .fast_reduction = config.reduction() == stillhouse::v1::REDUCTION_FAST};
}

}  // namespace still::worker
