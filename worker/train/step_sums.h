// What the ranks of a step add up: gradients, and the terms that travel with them (losses, counts, flags).
//
// Exact: gradients are rounded to fixed point (exact_sum.h) and added as int64; gradients and terms are one buffer and
// one all-reduce. Fast: gradients are added as they come, in fp32, half the bytes, and the result depends on the number
// of ranks. Terms are int64 either way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/status.h"
#include "worker/collective/communicator.h"

namespace still::worker {

struct StepSumsOptions {
  std::size_t gradients = 0;
  std::size_t terms = 0;
  bool fast = false;
  // What a rank put in outlives a failed Reduce: 8 bytes more a gradient (fast: 4).
  bool keep_own = false;
};

// One thread.
class StepSums {
 public:
  explicit StepSums(const StepSumsOptions& options);

  void Clear();
  // False when some gradient is not finite or not below kMaxTerm: the sums are then of no use.
  bool AddGradients(std::span<const float> gradients);
  // This rank's; add to them as you like before Reduce.
  std::span<std::int64_t> terms() { return std::span(own_).last(options_.terms); }

  // Collective. May be called again after a failure, with more added meanwhile, only with keep_own.
  Status Reduce(Communicator& world);

  // After Reduce.
  std::span<const std::int64_t> totals() const { return Reduced().last(options_.terms); }
  void WriteGradients(std::span<float> gradients) const;

 private:
  std::span<const std::int64_t> Reduced() const { return options_.keep_own ? totals_ : own_; }

  const StepSumsOptions options_;
  std::vector<std::int64_t> own_;     // fixed-point gradients unless fast, then terms
  std::vector<std::int64_t> totals_;  // with keep_own
  std::vector<float> own_floats_;     // fast
  std::vector<float> total_floats_;   // fast, with keep_own
};

}  // namespace still::worker
