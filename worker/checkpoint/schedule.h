// Decides when to save: after a number of steps, after a number of seconds, or as often as it pays (Young 1974, Daly
// 2006).
#pragma once

#include <cstdint>

#include "common/clock.h"

namespace still::worker {

struct ScheduleOptions {
  std::uint64_t steps = 0;                   // a checkpoint is due at every multiple of it; 0 to go by time
  double seconds = 0;                        // between two checkpoints; 0 for Young's interval
  double failure_interval_seconds = 86'400;  // mean time between failures
  double expected_cost_seconds = 0.1;        // of one checkpoint, until one has been measured
};

// Returns sqrt(2 C M), but at least 5 seconds. At this interval the cost of checkpoints (C each) and the work that
// failures destroy (half an interval every M seconds) are least together.
double YoungInterval(double cost_seconds, double failure_interval_seconds);

// The schedule of one run. Used by one thread.
class CheckpointSchedule {
 public:
  CheckpointSchedule(const ScheduleOptions& options, std::uint64_t step, Clock::TimePoint now)
      : options_(options), cost_seconds_(options.expected_cost_seconds), step_(step), time_(now) {}

  bool Due(std::uint64_t step, Clock::TimePoint now) const;
  void Started(std::uint64_t step, Clock::TimePoint now);
  // Records how long training stood still for a checkpoint.
  void Measured(double cost_seconds) { cost_seconds_ = cost_seconds; }

 private:
  ScheduleOptions options_;
  double cost_seconds_;
  std::uint64_t step_;
  Clock::TimePoint time_;
};

}  // namespace still::worker
