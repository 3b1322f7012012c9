// The learning-rate schedule.
#pragma once

#include <cstdint>

namespace still::worker {

// Returns the learning rate of `step`, which counts from 0. The warm-up takes W = ceil(warmup_percent of total_steps)
// steps and is linear; it reaches `peak` at step W - 1. From there the rate falls linearly and would reach 0 at step
// `total_steps`.
double LearningRate(std::uint64_t step, std::uint64_t total_steps, double peak, double warmup_percent);

}  // namespace still::worker
