#include "worker/device/adamw.h"

#include <array>
#include <cmath>

#include "common/check.h"

namespace still::worker {
namespace {

void Update(const AdamWScalars& s, float clip, float keep, std::size_t count, const float* __restrict gradient,
            float* __restrict first, float* __restrict second, float* __restrict weight) {
  for (std::size_t i = 0; i < count; ++i) {
    const float g = gradient[i] * clip;
    const float m = s.beta1 * first[i] + (1 - s.beta1) * g;
    const float v = s.beta2 * second[i] + (1 - s.beta2) * g * g;
    first[i] = m;
    second[i] = v;
    weight[i] = weight[i] * keep - s.step_size * m / (std::sqrt(v) * s.second_scale + s.epsilon);
  }
}

}  // namespace

double SumSquaresOfBlock(std::span<const float> block) {
  constexpr std::size_t kLanes = 256;
  STILL_CHECK(block.size() <= kNormBlock, "a block of the norm has at most 65,536 elements");
  std::array<double, kLanes> lanes{};
  for (std::size_t begin = 0; begin < block.size(); begin += kLanes) {
    const std::size_t count = block.size() - begin < kLanes ? block.size() - begin : kLanes;
    for (std::size_t lane = 0; lane < count; ++lane) {
      const double value = block[begin + lane];
      lanes[lane] += value * value;
    }
  }
  for (std::size_t width = kLanes / 2; width > 0; width /= 2) {
    for (std::size_t lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  }
  return lanes[0];
}

float ClipFactor(double norm, double clip_norm) {
  return clip_norm > 0 && norm > clip_norm ? static_cast<float>(clip_norm / norm) : 1;
}

void UpdateAdamW(const AdamWScalars& scalars, float clip, bool decays, std::span<const float> gradients,
                 std::span<float> first_moment, std::span<float> second_moment, std::span<float> weights) {
  const std::size_t count = weights.size();
  STILL_CHECK(gradients.size() == count && first_moment.size() == count && second_moment.size() == count,
              "the buffers of an update are of one size");
  Update(scalars, clip, decays ? scalars.keep : 1, count, gradients.data(), first_moment.data(), second_moment.data(),
         weights.data());
}

}  // namespace still::worker
