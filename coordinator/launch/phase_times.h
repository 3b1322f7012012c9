// Sums the time of a launch's ranks per phase, and remembers where each rank is now. Both come from heartbeats. Pure;
// one thread.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "common/clock.h"
#include "common/enum_words.h"
#include "common/proto/coordinator.pb.h"

namespace still::coordinator {

class PhaseTimes {
 public:
  // Books the time since the rank's previous heartbeat under the phase that this one names. Heartbeats come five times
  // per second, so little of it belongs to another phase.
  void OnHeartbeat(v1::RankState rank, Clock::TimePoint now);
  // Drops a rank that the others went on without. Its seconds stay.
  void Forget(std::uint32_t rank) { ranks_.erase(rank); }

  // Returns the newest heartbeat of each rank, by rank.
  std::vector<v1::RankState> ranks() const;
  // Returns sums over all ranks, forgotten ones included.
  const std::map<v1::Phase, double>& seconds() const { return seconds_; }

 private:
  // A longer silence was not measured, because the rank may have been anywhere meanwhile.
  static constexpr double kLongestGapSeconds = 5;

  struct Heartbeat {
    v1::RankState rank;
    Clock::TimePoint at;
  };
  std::map<std::uint32_t, Heartbeat> ranks_;
  std::map<v1::Phase, double> seconds_;
};

}  // namespace still::coordinator
