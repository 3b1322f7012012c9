// The sums of a step over its ranks: gradients, and the terms that travel with them (losses, counts, flags).
//
// In exact sums, gradients are rounded to fixed point (exact_sum.h) and added as int64. Gradients and terms are one
// buffer and one all-reduce. In fast sums, gradients are added in fp32 as they come, which halves the bytes; the result
// then depends on the number of ranks. Terms are int64 either way.
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
  // Keeps this rank's own sums through a failed Reduce. Costs 8 bytes more per gradient (fast: 4).
  bool keep_own = false;
};

// The sums of one rank. Used by one thread.
class StepSums {
 public:
  explicit StepSums(const StepSumsOptions& options);

  void Clear();
  // Adds gradients. Returns false when one is not finite or not below kMaxTerm: the sums are then useless.
  bool AddGradients(std::span<const float> gradients);
  // Returns this rank's own terms. They may be changed before Reduce.
  std::span<std::int64_t> terms() { return std::span(own_).last(options_.terms); }

  // Collective. Sums over the ranks. After a failure it may be called again, also with more added, but only with
  // keep_own.
  Status Reduce(Communicator& world);

  // Valid after Reduce.
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
