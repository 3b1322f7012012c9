// The sums of a step over its ranks: gradients, and the terms that travel with them (losses, counts, flags).
//
// In exact sums, gradients are rounded to fixed point (worker/device/exact_sum.h) and added as int64. In fast sums they
// are added in fp32 as they come, which halves the bytes; the result then depends on the number of ranks. Gradients are
// summed on the device that computes them. Terms are int64 in host memory. Exact sums and terms are one all-reduce.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/status.h"
#include "worker/collective/communicator.h"

namespace still::worker {

struct StepSumsOptions {
  std::int64_t gradients = 0;
  std::size_t terms = 0;
  bool fast = false;
  // Keeps this rank's own sums through a failed Reduce. Costs 8 bytes more per gradient (fast: 4).
  bool keep_own = false;
  at::Device device = at::kCPU;
};

// The sums of one rank. Used by one thread.
class StepSums {
 public:
  explicit StepSums(const StepSumsOptions& options);

  void Clear();
  // Adds gradients (float [gradients]) and sets them to 0. Sets `bad` (double [1], on the device) to 1 when one is not
  // finite or not below kMaxTerm: the sums are then useless.
  void AddGradients(const at::Tensor& gradients, const at::Tensor& bad);
  // Returns this rank's own terms. They may be changed before Reduce.
  std::span<std::int64_t> terms() { return TermsIn(own_numbers_); }

  // Collective. Sums over the ranks. After a failure it may be called again, also with more added, but only with
  // keep_own.
  Status Reduce(Communicator& world);

  // Valid after Reduce.
  std::span<const std::int64_t> totals() const { return TermsIn(total_numbers_); }
  void WriteGradients(const at::Tensor& gradients) const;

 private:
  std::span<std::int64_t> TermsIn(const at::Tensor& numbers) const;
  Status ReduceFloats(Communicator& world);
  Status ReduceNumbers(Communicator& world);
  bool on_host() const { return options_.device.is_cpu(); }

  const StepSumsOptions options_;
  // The gradients' sums on the device: int64, or float when fast. Without keep_own both are one tensor.
  at::Tensor own_, total_;
  // The int64 numbers that are summed over the ranks, in host memory: the gradients unless fast, then the terms. On the
  // CPU the gradients' sums are views of these; for another device they are pinned, and the gradients are copied.
  at::Tensor own_numbers_, total_numbers_;
  at::Tensor floats_;  // pinned; for fast sums on another device than the CPU
};

}  // namespace still::worker
