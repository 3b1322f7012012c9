// The options of training in plain types: the trainer and the numeric core never see the configuration's messages.
#pragma once

#include <cstdint>

#include "worker/train/loss_weights.h"

namespace stillhouse::v1 {
class TrainConfig;
}

namespace still::worker {

struct OptimizerOptions {
  double beta1 = 0.9;
  double beta2 = 0.98;
  double epsilon = 1e-6;
  double weight_decay = 0;
  double clip_norm = 5;  // 0 for no clipping
};

struct TrainOptions {
  LossWeights loss;
  OptimizerOptions optimizer;
  std::uint32_t epochs = 3;
  std::uint32_t max_steps = 0;
  std::uint32_t sequences_per_step = 4096;
  std::uint32_t microbatch_tokens = 4096;
  double learning_rate = 5e-4;
  double warmup_percent = 5;
  double dropout = 0.1;
  double attention_dropout = 0.1;
  // A checkpoint is written every `checkpoint_steps` steps. If that is 0, one is written every `checkpoint_seconds`
  // seconds. If both are 0, the measured cost of a checkpoint decides.
  std::uint32_t checkpoint_steps = 100;
  double checkpoint_seconds = 0;
  bool fast_reduction = false;  // sums in fp32: half the bytes, but the bits depend on the number of ranks
};

// Returns the options that a configuration names.
TrainOptions TrainOptionsOf(const stillhouse::v1::TrainConfig& config);

}  // namespace still::worker
