// The one door to time. Deadlines and rates use Now (monotonic); only what people read uses the wall clock.
#pragma once

#include <chrono>

#include "common/unix_time.h"

namespace still {

class Clock {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  virtual ~Clock() = default;
  virtual TimePoint Now() const = 0;
  virtual UnixMs WallMs() const = 0;
  virtual void SleepFor(std::chrono::milliseconds duration) = 0;

  // The system's clock; lives for ever.
  static Clock& System();
};

inline double SecondsSince(const Clock& clock, Clock::TimePoint start) {
  return std::chrono::duration<double>(clock.Now() - start).count();
}

}  // namespace still
