// The optimizer over the flat parameter vector, on the device that holds it: AdamW with clipping. The device's kernels
// compute it (worker/device/kernels.h); worker/device/adamw.h has the arithmetic. Weight decay applies where
// ParameterInfo::decay (worker/model/layout.h) says so.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "worker/device/adamw.h"
#include "worker/model/layout.h"
#include "worker/train/train_options.h"

namespace still::worker {

// The optimizer and its state, the first and second moments. Owned by one thread.
class AdamW {
 public:
  AdamW(const OptimizerOptions& options, const std::vector<ParameterInfo>& layout, at::Device device);

  // Applies one update; the host does not wait for it. `weights` and `gradients` are float [parameters]. `step` counts
  // from 0; bias correction uses step + 1.
  void Step(const at::Tensor& weights, const at::Tensor& gradients, std::uint64_t step, double learning_rate);

  const at::Tensor& first_moment() const { return first_; }    // float [parameters]
  const at::Tensor& second_moment() const { return second_; }  // float [parameters]
  // The gradients' norm at the last step, before clipping: double [1], on the device.
  const at::Tensor& norm() const { return norm_; }

 private:
  const OptimizerOptions options_;
  std::vector<AdamWRange> ranges_;  // in order; neighbours differ in whether they decay
  at::Tensor first_, second_, norm_;
};

}  // namespace still::worker
