// The one door to time.
#pragma once

#include <chrono>

#include "common/unix_time.h"

namespace still {

// A source of time, which tests replace. Deadlines and rates use Now, which is monotonic. Only times that people read
// use the wall clock. Thread-safe.
class Clock {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  virtual ~Clock() = default;
  virtual TimePoint Now() const = 0;
  virtual UnixMs WallMs() const = 0;
  virtual void SleepFor(std::chrono::milliseconds duration) = 0;

  // Returns the system's clock, which is never destroyed.
  static Clock& System();
};

inline double SecondsSince(const Clock& clock, Clock::TimePoint start) {
  return std::chrono::duration<double>(clock.Now() - start).count();
}

}  // namespace still
