// Records what heartbeats tell about the ranks of a launch: the position of each rank, and the time that they spent in
// each phase. The position of a rank is the evidence when it has died. Pure; one thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/enum_words.h"
#include "common/proto/control.pb.h"
#include "common/proto/coordinator.pb.h"

namespace still::coordinator {

class RankSightings {
 public:
  // Records a heartbeat. The time since the rank's previous one counts for the phase that this one names: heartbeats
  // come five times per second, so little of it belongs to another phase. Nothing changes the position of a rank whose
  // death was reported.
  void OnHeartbeat(std::uint32_t rank, const v1::Heartbeat& heartbeat, Clock::TimePoint now);
  // Records the last words of the rank's guardian.
  void OnKilled(std::uint32_t rank, const v1::RankKilled& killed);
  // Drops a rank that the others went on without. Its seconds stay.
  void Forget(std::uint32_t rank);
  // Records that the launch has come as far as `step`, by what its progress counts.
  void RecordStep(std::uint64_t step) { step_ = std::max(step_, step); }

  // Returns the highest step recorded.
  std::uint64_t step() const { return step_; }
  // Returns the position of each rank that was seen, by rank.
  std::vector<v1::RankState> ranks() const;
  // Returns the seconds per phase: sums over all ranks, forgotten ones included.
  const std::map<v1::Phase, double>& seconds() const { return seconds_; }
  // Returns the first rank that a guardian killed, unless it was forgotten.
  std::optional<std::uint32_t> first_killed() const { return first_killed_; }
  // Returns what is known of the death of these ranks. The phase is left out when it was seen in another step than
  // `step`, if that is known.
  v1::Death DeathOf(std::span<const std::uint32_t> dead, std::optional<std::uint64_t> step) const;
  // Returns "rank 0 in vote of step 17, rank 1 in compute of step 17", or an empty text when no rank was seen.
  std::string PositionsText() const;

 private:
  // A longer silence was not measured, because the rank may have been anywhere meanwhile.
  static constexpr double kLongestGapSeconds = 5;

  struct Sighting {
    v1::RankState position;
    std::optional<Clock::TimePoint> heard;               // the newest heartbeat
    v1::DeathCause cause = v1::DEATH_CAUSE_UNSPECIFIED;  // unspecified: it lives, as far as known
  };

  void RecordPosition(std::uint32_t rank, v1::Phase phase, std::uint64_t step, double phase_seconds);

  std::map<std::uint32_t, Sighting> sightings_;
  std::map<v1::Phase, double> seconds_;
  std::optional<std::uint32_t> first_killed_;
  std::uint64_t step_ = 0;
};

}  // namespace still::coordinator
