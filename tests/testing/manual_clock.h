// A clock that a test moves. Time also passes in SleepFor(), which returns at once.
#pragma once

#include <functional>

#include "common/clock.h"

namespace still::testing {

class ManualClock : public Clock {
 public:
  TimePoint Now() const override { return now; }
  UnixMs WallMs() const override { return 1'700'000'000'000; }
  void SleepFor(std::chrono::milliseconds duration) override {
    now += duration;
    if (on_sleep) on_sleep();
  }

  TimePoint now;
  std::function<void()> on_sleep;
};

}  // namespace still::testing
