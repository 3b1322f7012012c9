#include "worker/train/optimizer.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/random.h"
#include "worker/device/kernels.h"

namespace still::worker {
namespace {

// A matrix that decays and a bias that does not.
std::vector<ParameterInfo> Layout() {
  return {{.name = "matrix", .shape = {7, 5}, .offset = 0, .size = 35, .decay = true},
          {.name = "bias", .shape = {6}, .offset = 35, .size = 6, .decay = false}};
}

std::vector<float> Values(std::uint64_t key, double scale) {
  KeyedRandom random(key);
  std::vector<float> values(41);
  for (float& value : values) value = static_cast<float>((random.NextUnit() - 0.5) * scale);
  return values;
}

// Returns a tensor over the values.
at::Tensor Over(std::vector<float>& values) {
  return at::from_blob(values.data(), {static_cast<std::int64_t>(values.size())}, at::kFloat);
}

TEST(OptimizerTest, AgreesWithAdamwInDoublePrecision) {
  const OptimizerOptions options{.beta1 = 0.9, .beta2 = 0.98, .epsilon = 1e-6, .weight_decay = 0.1, .clip_norm = 1.5};
  AdamW adamw(options, Layout(), at::kCPU);
  std::vector<float> weights = Values(1, 2);
  std::vector<double> expected(weights.begin(), weights.end());
  std::vector<double> first(41);
  std::vector<double> second(41);
  for (std::uint64_t step = 0; step < 30; ++step) {
    const double rate = 1e-2 / (1.0 + static_cast<double>(step));
    std::vector<float> gradients = Values(100 + step, step % 2 == 0 ? 0.01 : 3);  // below and above the clip
    double norm = 0;
    for (const float g : gradients) norm += double{g} * double{g};
    norm = std::sqrt(norm);
    const double scale = norm > 1.5 ? 1.5 / norm : 1;
    const double t = static_cast<double>(step) + 1;
    for (std::size_t i = 0; i < 41; ++i) {
      const double g = gradients[i] * scale;
      first[i] = 0.9 * first[i] + 0.1 * g;
      second[i] = 0.98 * second[i] + 0.02 * g * g;
      const double unbiased_first = first[i] / (1 - std::pow(0.9, t));
      const double unbiased_second = second[i] / (1 - std::pow(0.98, t));
      const double decay = i < 35 ? 0.1 * expected[i] : 0;
      expected[i] -= rate * (unbiased_first / (std::sqrt(unbiased_second) + 1e-6) + decay);
    }
    adamw.Step(Over(weights), Over(gradients), step, rate);
    EXPECT_NEAR(adamw.norm().item<double>(), norm, 1e-6 * norm);
  }
  for (std::size_t i = 0; i < 41; ++i) EXPECT_NEAR(weights[i], expected[i], 2e-6) << i;
}

TEST(OptimizerTest, WithoutGradientOnlyDecayingParametersShrink) {
  AdamW adamw({.weight_decay = 0.5}, Layout(), at::kCPU);
  std::vector<float> weights(41, 1.0F), gradients(41);
  adamw.Step(Over(weights), Over(gradients), 0, 0.1);
  EXPECT_TRUE(std::all_of(weights.begin(), weights.begin() + 35, [](float w) { return w == 0.95F; }));
  EXPECT_TRUE(std::all_of(weights.begin() + 35, weights.end(), [](float w) { return w == 1.0F; }));
}

TEST(OptimizerTest, NormCountsEveryElement) {
  for (const std::size_t size : {0U, 1U, 255U, 256U, 257U, 65'536U, 65'537U, 200'001U}) {
    std::vector<float> values(size, 2.0F);
    const at::Tensor norm = at::zeros({1}, at::kDouble);
    KernelsOf(at::kCPU).Norm(Over(values), norm);
    EXPECT_DOUBLE_EQ(norm.item<double>(), 2 * std::sqrt(static_cast<double>(size))) << size;
  }
}

}  // namespace
}  // namespace still::worker
