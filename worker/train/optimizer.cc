#include "worker/train/optimizer.h"

#include <ATen/ops/zeros.h>

#include <cmath>

#include "worker/device/kernels.h"

namespace still::worker {

AdamW::AdamW(const OptimizerOptions& options, const std::vector<ParameterInfo>& layout, at::Device device)
    : options_(options) {
  const at::TensorOptions floats = at::TensorOptions(at::kFloat).device(device);
  const auto size = static_cast<std::int64_t>(ExtentOf(layout));
  first_ = at::zeros({size}, floats);
  second_ = at::zeros({size}, floats);
  norm_ = at::zeros({1}, floats.dtype(at::kDouble));
  for (const ParameterInfo& parameter : layout) {
    if (ranges_.empty() || ranges_.back().decays != parameter.decay)
      ranges_.push_back({.begin = parameter.offset, .decays = parameter.decay});
    ranges_.back().size += parameter.size;
  }
}

void AdamW::Step(const at::Tensor& weights, const at::Tensor& gradients, std::uint64_t step, double learning_rate) {
  const double t = static_cast<double>(step) + 1;
  const AdamWScalars scalars{
      .beta1 = static_cast<float>(options_.beta1),
      .beta2 = static_cast<float>(options_.beta2),
      .step_size = static_cast<float>(learning_rate / (1 - std::pow(options_.beta1, t))),
      .second_scale = static_cast<float>(1 / std::sqrt(1 - std::pow(options_.beta2, t))),
      .epsilon = static_cast<float>(options_.epsilon),
      .keep = static_cast<float>(1 - learning_rate * options_.weight_decay),
      .clip_norm = options_.clip_norm,
  };
  const DeviceKernels& kernels = KernelsOf(weights.device());
  kernels.Norm(gradients, norm_);
  kernels.UpdateAdamW({.weights = weights, .gradients = gradients, .first_moment = first_, .second_moment = second_},
                      ranges_, scalars, norm_);
}

}  // namespace still::worker
