// Where the time of a launch's ranks goes: seconds by phase, from heartbeats, and what each rank does now. Pure; one
// thread.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "common/clock.h"
#include "common/proto/coordinator.pb.h"
#include "common/vocabulary.h"

namespace still::coordinator {

class PhaseTimes {
 public:
  // Adds the time since the rank's last heartbeat to the phase that this one names. Heartbeats come five times a
  // second.
  void OnHeartbeat(std::uint32_t rank, const v1::Heartbeat& heartbeat, Clock::TimePoint now);
  // Drops a rank that the others continue without. Its seconds stay.
  void Forget(std::uint32_t rank) { ranks_.erase(rank); }

  // Returns what each rank does now, in the order of ranks.
  std::vector<v1::RankPhase> ranks() const;
  // Returns sums over all ranks, dropped ones included.
  const std::map<v1::Phase, double>& seconds() const { return seconds_; }

 private:
  // A longer gap between two heartbeats was not measured.
  static constexpr double kLongestGapSeconds = 5;

  struct Sighting {
    v1::RankPhase rank;
    Clock::TimePoint at;
  };
  std::map<std::uint32_t, Sighting> ranks_;
  std::map<v1::Phase, double> seconds_;
};

}  // namespace still::coordinator
