// AdamW (Loshchilov & Hutter 2019) with bias correction and clipping by the global norm, over host memory. The update
// is element-wise, and the norm is summed in an order that is fixed, so the bits do not depend on threads or on how the
// vector is cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace still::worker {

// The scalars of one update.
struct AdamWScalars {
  float beta1 = 0;
  float beta2 = 0;
  float step_size = 0;     // learning rate / (1 - beta1^t)
  float second_scale = 0;  // 1 / sqrt(1 - beta2^t)
  float epsilon = 0;
  float keep = 1;        // 1 - learning rate * weight decay, for parameters that decay
  double clip_norm = 0;  // 0 for no clipping
};

// Some parameters that follow each other in the flat vector.
struct AdamWRange {
  std::int64_t begin = 0;
  std::int64_t size = 0;
  bool decays = false;
};

// Elements of the norm's blocks. A block is summed in 256 lanes, and the lanes as a binary tree; the blocks' sums are
// added in order.
inline constexpr std::size_t kNormBlock = 1 << 16;

// Returns the sum of squares of one block, which has at most kNormBlock elements, in double.
double SumSquaresOfBlock(std::span<const float> block);

// Returns by what gradients of this norm are multiplied.
float ClipFactor(double norm, double clip_norm);

// Updates `weights` and the moments, all of the same size, from gradients that are scaled by `clip`.
void UpdateAdamW(const AdamWScalars& scalars, float clip, bool decays, std::span<const float> gradients,
                 std::span<float> first_moment, std::span<float> second_moment, std::span<float> weights);

}  // namespace still::worker
