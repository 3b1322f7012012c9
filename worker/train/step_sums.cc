#include "worker/train/step_sums.h"

#include <algorithm>
#include <cmath>

#include "worker/train/exact_sum.h"

namespace still::worker {
namespace {

bool AddFloats(std::span<const float> values, std::span<float> sums) {
  STILL_CHECK(values.size() == sums.size(), "a value for every sum");
  std::int32_t bad = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    bad |= static_cast<std::int32_t>(!(std::fabs(values[i]) < static_cast<float>(kMaxTerm)));  // true for NaN
    sums[i] += values[i];
  }
  return bad == 0;
}

}  // namespace

StepSums::StepSums(const StepSumsOptions& options)
    : options_(options), own_((options.fast ? 0 : options.gradients) + options.terms) {
  if (options.keep_own) totals_.resize(own_.size());
  if (options.fast) own_floats_.resize(options.gradients);
  if (options.fast && options.keep_own) total_floats_.resize(options.gradients);
}

void StepSums::Clear() {
  std::ranges::fill(own_, 0);
  std::ranges::fill(own_floats_, 0.0F);
}

bool StepSums::AddGradients(std::span<const float> gradients) {
  if (options_.fast) return AddFloats(gradients, own_floats_);
  return AddFixed(gradients, std::span(own_).first(options_.gradients));
}

Status StepSums::Reduce(Communicator& world) {
  if (options_.fast) {
    if (options_.keep_own) total_floats_ = own_floats_;
    STILL_RETURN_IF_ERROR(world.AllReduceSum(std::span(options_.keep_own ? total_floats_ : own_floats_)));
  }
  if (options_.keep_own) return world.AllReduceSum(std::span<const std::int64_t>(own_), std::span(totals_));
  return world.AllReduceSum(std::span(own_));
}

void StepSums::WriteGradients(std::span<float> gradients) const {
  if (options_.fast) {
    std::ranges::copy(options_.keep_own ? total_floats_ : own_floats_, gradients.begin());
  } else {
    FixedToFloat(Reduced().first(options_.gradients), gradients);
  }
}

}  // namespace still::worker
