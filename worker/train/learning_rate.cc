#include "worker/train/learning_rate.h"

#include <cmath>

namespace still::worker {

double LearningRate(std::uint64_t step, std::uint64_t total_steps, double peak, double warmup_percent) {
  if (step >= total_steps) return 0;
  const double warmup = std::ceil(warmup_percent / 100 * static_cast<double>(total_steps));
  const double done = static_cast<double>(step);
  if (done < warmup) return peak * (done + 1) / warmup;
  return peak * (static_cast<double>(total_steps) - done) / (static_cast<double>(total_steps) - warmup);
}

}  // namespace still::worker
