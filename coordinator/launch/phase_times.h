// Where the time of a launch's ranks goes: seconds by phase, from heartbeats, and where each rank is now. Pure; one
// thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/vocabulary.h"

namespace still::coordinator {

struct RankNow {
  std::uint32_t rank = 0;
  std::string host;
  v1::Phase phase = v1::PHASE_UNSPECIFIED;
  std::uint64_t step = 0;
  double phase_seconds = 0;  // since its last sign of progress
  std::uint32_t pid = 0;     // on its host
};

class PhaseTimes {
 public:
  // The time since the rank's heartbeat before goes to the phase that this one names: they come five times a second.
  void Heard(RankNow rank, Clock::TimePoint now);
  // The others went on without it.
  void Forget(std::uint32_t rank) { ranks_.erase(rank); }

  std::vector<RankNow> ranks() const;
  // Sums over ranks, those forgotten included.
  const std::map<v1::Phase, double>& seconds() const { return seconds_; }

 private:
  // A rank that was not heard for longer than this was not measured.
  static constexpr double kLongestGapSeconds = 5;

  struct Heartbeat {
    RankNow rank;
    Clock::TimePoint at;
  };
  std::map<std::uint32_t, Heartbeat> ranks_;
  std::map<v1::Phase, double> seconds_;
};

}  // namespace still::coordinator
