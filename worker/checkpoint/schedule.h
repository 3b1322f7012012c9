// When to save: every so many steps, every so many seconds, or as often as pays (Young 1974, Daly 2006).
#pragma once

#include <cstdint>

#include "common/clock.h"

namespace still::worker {

struct ScheduleOptions {
  std::uint64_t steps = 0;                   // every so many steps; 0: by time
  double seconds = 0;                        // every so often; 0: Young's interval
  double failure_interval_seconds = 86'400;  // mean time between failures
  double expected_cost_seconds = 0.1;        // of one checkpoint, until one has been measured
};

// sqrt(2 C M): the interval at which what checkpoints cost (C each) and what failures destroy (every M seconds, half an
// interval each) are least together. Not below 5 seconds.
double YoungInterval(double cost_seconds, double failure_interval_seconds);

// One thread.
class CheckpointSchedule {
 public:
  CheckpointSchedule(const ScheduleOptions& options, std::uint64_t step, Clock::TimePoint now)
      : options_(options), cost_seconds_(options.expected_cost_seconds), step_(step), time_(now) {}

  bool Due(std::uint64_t step, Clock::TimePoint now) const;
  void Started(std::uint64_t step, Clock::TimePoint now);
  // Training stood still for this long.
  void Measured(double cost_seconds) { cost_seconds_ = cost_seconds; }

 private:
  ScheduleOptions options_;
  double cost_seconds_;
  std::uint64_t step_;
  Clock::TimePoint time_;
};

}  // namespace still::worker
