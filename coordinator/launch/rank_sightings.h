// Remembers where the ranks of a launch were last seen: the evidence when one or all of them have died. Pure; one
// thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/enum_words.h"

namespace still::coordinator {

struct RankPosition {
  v1::Phase phase = v1::PHASE_UNSPECIFIED;
  std::uint64_t step = 0;
};

class RankSightings {
 public:
  // Records a heartbeat. Nothing changes the position of a rank whose death was reported.
  void OnHeartbeat(std::uint32_t rank, RankPosition position);
  // Records the last words of the rank's guardian.
  void OnKilled(std::uint32_t rank, v1::DeathCause cause, RankPosition position);
  // Drops a rank that the others went on without.
  void Forget(std::uint32_t rank);
  // Records that the launch has come as far as `step`, by what its progress counts.
  void RecordStep(std::uint64_t step) { step_ = std::max(step_, step); }

  // Returns the highest step recorded.
  std::uint64_t step() const { return step_; }
  // Returns the first rank that a guardian killed, unless it was forgotten.
  std::optional<std::uint32_t> first_killed() const { return first_killed_; }
  // Returns what is known of the death of these ranks. The phase is left out when it was seen in another step than
  // `step`, if that is known.
  v1::Death DeathOf(std::span<const std::uint32_t> dead, std::optional<std::uint64_t> step) const;
  // Returns "rank 0 in vote of step 17, rank 1 in compute of step 17", or an empty text when no rank was seen.
  std::string PositionsText() const;

 private:
  struct Sighting {
    RankPosition position;
    v1::DeathCause cause = v1::DEATH_CAUSE_UNSPECIFIED;  // unspecified: it lives, as far as known
  };
  std::map<std::uint32_t, Sighting> sightings_;
  std::optional<std::uint32_t> first_killed_;
  std::uint64_t step_ = 0;
};

}  // namespace still::coordinator
