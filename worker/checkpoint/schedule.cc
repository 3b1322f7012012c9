#include "worker/checkpoint/schedule.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace still::worker {

double YoungInterval(double cost_seconds, double failure_interval_seconds) {
  constexpr double kShortestSeconds = 5;
  return std::max(kShortestSeconds, std::sqrt(2 * cost_seconds * failure_interval_seconds));
}

bool CheckpointSchedule::Due(std::uint64_t step, Clock::TimePoint now) const {
  if (options_.steps > 0) return step - step_ >= options_.steps - step_ % options_.steps;
  const double interval =
      options_.seconds > 0 ? options_.seconds : YoungInterval(cost_seconds_, options_.failure_interval_seconds);
  return std::chrono::duration<double>(now - time_).count() >= interval;
}

void CheckpointSchedule::Started(std::uint64_t step, Clock::TimePoint now) {
  step_ = step;
  time_ = now;
}

}  // namespace still::worker
