// A clock on which time passes only in SleepFor() and when a test moves `now`.
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
    on_sleep();
  }

  TimePoint now;
  std::function<void()> on_sleep = [] {};  // called after each sleep
};

}  // namespace still::testing
