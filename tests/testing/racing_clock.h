// A clock that advances a second per reading, so that deadlines pass without waiting for them.
#pragma once

#include <atomic>

#include "common/clock.h"

namespace still::testing {

class RacingClock : public Clock {
 public:
  TimePoint Now() const override { return TimePoint(std::chrono::seconds(++seconds_)); }
  UnixMs WallMs() const override { return 0; }
  void SleepFor(std::chrono::milliseconds) override {}

 private:
  mutable std::atomic<int> seconds_ = 0;
};

}  // namespace still::testing
