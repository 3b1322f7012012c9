#include "worker/train/step_sums.h"

#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "worker/device/host_copies.h"
#include "worker/device/kernels.h"

namespace still::worker {

StepSums::StepSums(const StepSumsOptions& options) : options_(options) {
  const std::int64_t gradients = options.gradients;
  const at::TensorOptions host = at::TensorOptions(at::kLong).pinned_memory(!on_host());
  const at::TensorOptions sums = at::TensorOptions(options.fast ? at::kFloat : at::kLong).device(options.device);
  own_numbers_ = at::zeros({(options.fast ? 0 : gradients) + static_cast<std::int64_t>(options.terms)}, host);
  total_numbers_ = options.keep_own ? at::zeros_like(own_numbers_) : own_numbers_;
  if (on_host() && !options.fast) {
    own_ = own_numbers_.narrow(0, 0, gradients);
    total_ = total_numbers_.narrow(0, 0, gradients);
  } else {
    own_ = at::zeros({gradients}, sums);
    total_ = options.keep_own ? at::zeros({gradients}, sums) : own_;
  }
  if (!on_host() && options.fast) floats_ = at::zeros({gradients}, host.dtype(at::kFloat));
}

std::span<std::int64_t> StepSums::TermsIn(const at::Tensor& numbers) const {
  return HostSpan<std::int64_t>(numbers).last(options_.terms);
}

void StepSums::Clear() {
  own_.zero_();
  std::ranges::fill(terms(), 0);
}

void StepSums::AddGradients(const at::Tensor& gradients, const at::Tensor& bad) {
  const DeviceKernels& kernels = KernelsOf(options_.device);
  if (options_.fast) {
    kernels.AddFloats(gradients, own_, bad);
  } else {
    kernels.AddFixed(gradients, own_, bad);
  }
}

Status StepSums::Reduce(Communicator& world) {
  if (options_.fast) STILL_RETURN_IF_ERROR(ReduceFloats(world));
  const bool copies = !on_host() && !options_.fast && world.size() > 1;
  if (copies) {
    own_numbers_.narrow(0, 0, options_.gradients).copy_(own_, /*non_blocking=*/true);
    WaitFor(options_.device);
  } else if (!on_host() && !options_.fast && options_.keep_own) {
    total_.copy_(own_);  // one rank: its sums are the totals
  }
  STILL_RETURN_IF_ERROR(ReduceNumbers(world));
  if (copies) total_.copy_(total_numbers_.narrow(0, 0, options_.gradients), /*non_blocking=*/true);
  return Ok();
}

Status StepSums::ReduceFloats(Communicator& world) {
  if (on_host()) {
    if (options_.keep_own) total_.copy_(own_);
    return world.AllReduceSum(HostSpan<float>(total_));
  }
  floats_.copy_(own_);
  STILL_RETURN_IF_ERROR(world.AllReduceSum(HostSpan<float>(floats_)));
  total_.copy_(floats_);
  return Ok();
}

// Another device than the CPU has its gradients in the numbers only when there are several ranks.
Status StepSums::ReduceNumbers(Communicator& world) {
  const bool terms_only = !on_host() && world.size() == 1;
  const auto own = terms_only ? terms() : HostSpan<std::int64_t>(own_numbers_);
  const auto total = terms_only ? TermsIn(total_numbers_) : HostSpan<std::int64_t>(total_numbers_);
  if (!options_.keep_own) return world.AllReduceSum(own);
  return world.AllReduceSum(std::span<const std::int64_t>(own), total);
}

void StepSums::WriteGradients(const at::Tensor& gradients) const {
  if (options_.fast) {
    gradients.copy_(total_);
  } else {
    KernelsOf(options_.device).FixedToFloat(total_, gradients);
  }
}

}  // namespace still::worker
