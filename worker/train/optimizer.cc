#include "worker/train/optimizer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "common/check.h"

namespace still::worker {
namespace {

// The scalars of one update of one parameter.
struct Update {
  float clip;  // gradient scale
  float beta1;
  float beta2;
  float step_size;     // learning rate / (1 - beta1^t)
  float second_scale;  // 1 / sqrt(1 - beta2^t)
  float epsilon;
  float keep;  // 1 - learning rate * weight decay
};

void UpdateParameter(const Update& u, std::size_t count, const float* __restrict gradient, float* __restrict first,
                     float* __restrict second, float* __restrict weight) {
  for (std::size_t i = 0; i < count; ++i) {
    const float g = gradient[i] * u.clip;
    const float m = u.beta1 * first[i] + (1 - u.beta1) * g;
    const float v = u.beta2 * second[i] + (1 - u.beta2) * g * g;
    first[i] = m;
    second[i] = v;
    weight[i] = weight[i] * u.keep - u.step_size * m / (std::sqrt(v) * u.second_scale + u.epsilon);
  }
}

}  // namespace

double Norm(std::span<const float> values) {
  constexpr std::size_t kLanes = 16;  // independent sums: vectorises without reordering any addition
  std::array<double, kLanes> lanes{};
  const std::size_t whole = values.size() / kLanes * kLanes;
  const float* value = values.data();
  for (std::size_t i = 0; i < whole; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const double v = value[i + lane];
      lanes[lane] += v * v;
    }
  }
  for (std::size_t i = whole; i < values.size(); ++i) lanes[i - whole] += double{value[i]} * double{value[i]};
  double sum = 0;
  for (double lane : lanes) sum += lane;
  return std::sqrt(sum);
}

AdamW::AdamW(const OptimizerOptions& options, const std::vector<ParameterInfo>& layout)
    : options_(options), layout_(layout), first_(ExtentOf(layout)), second_(ExtentOf(layout)) {}

double AdamW::Step(std::span<float> weights, std::span<const float> gradients, std::uint64_t step,
                   double learning_rate) {
  STILL_CHECK(weights.size() == first_.size() && gradients.size() == first_.size(), "buffers do not match the layout");
  const double norm = Norm(gradients);
  const double clip = options_.clip_norm > 0 && norm > options_.clip_norm ? options_.clip_norm / norm : 1;
  const double t = static_cast<double>(step) + 1;
  Update update{
      .clip = static_cast<float>(clip),
      .beta1 = static_cast<float>(options_.beta1),
      .beta2 = static_cast<float>(options_.beta2),
      .step_size = static_cast<float>(learning_rate / (1 - std::pow(options_.beta1, t))),
      .second_scale = static_cast<float>(1 / std::sqrt(1 - std::pow(options_.beta2, t))),
      .epsilon = static_cast<float>(options_.epsilon),
      .keep = 1,
  };
  for (const ParameterInfo& parameter : layout_) {
    update.keep = parameter.decay ? static_cast<float>(1 - learning_rate * options_.weight_decay) : 1;
    const auto at = static_cast<std::size_t>(parameter.offset);
    UpdateParameter(update, static_cast<std::size_t>(parameter.size), gradients.data() + at, first_.data() + at,
                    second_.data() + at, weights.data() + at);
  }
  return norm;
}

}  // namespace still::worker
