// AdamW (Loshchilov & Hutter 2019) with bias correction, over the flat parameter vector, after clipping by the global
// norm. The update is element-wise and the norm is summed in fixed lanes, so the bits do not depend on the machine's
// threads. Weight decay applies where ParameterInfo::decay (worker/model/layout.h) says so.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "worker/model/layout.h"

namespace still::worker {

struct OptimizerOptions {
  double beta1 = 0.9;
  double beta2 = 0.98;
  double epsilon = 1e-6;
  double weight_decay = 0;
  double clip_norm = 5;  // 0 for no clipping
};

// Returns the Euclidean norm in double. The same values give the same bits.
double Norm(std::span<const float> values);

// The optimizer and its state, the first and second moments. Owned by one thread.
class AdamW {
 public:
  AdamW(const OptimizerOptions& options, const std::vector<ParameterInfo>& layout);

  // Applies one update and returns the gradient norm before clipping. `step` counts from 0; bias correction uses step
  // + 1.
  double Step(std::span<float> weights, std::span<const float> gradients, std::uint64_t step, double learning_rate);

  std::vector<float>& first_moment() { return first_; }
  std::vector<float>& second_moment() { return second_; }
  const std::vector<float>& first_moment() const { return first_; }
  const std::vector<float>& second_moment() const { return second_; }

 private:
  OptimizerOptions options_;
  std::vector<ParameterInfo> layout_;
  std::vector<float> first_;
  std::vector<float> second_;
};

}  // namespace still::worker
