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

#include "common/death_text.h"
#include "common/vocabulary.h"

namespace still::coordinator {

struct RankPlace {
  v1::Phase phase = v1::PHASE_UNSPECIFIED;
  std::uint64_t step = 0;
};

class RankSightings {
 public:
  // Records a heartbeat.
  void Seen(std::uint32_t rank, RankPlace place);
  // Records the last words of the rank's guardian.
  void Killed(std::uint32_t rank, v1::DeathCause cause, RankPlace place);
  // Drops a rank that the others continue without.
  void Forget(std::uint32_t rank);
  // Records a step that the progress of the launch names.
  void Reached(std::uint64_t step) { step_ = std::max(step_, step); }

  // Returns the highest step seen.
  std::uint64_t step() const { return step_; }
  // Returns the first rank that a guardian killed and that was not dropped.
  std::optional<std::uint32_t> first_killed() const { return first_killed_; }
  // Returns PHASE_UNSPECIFIED for a rank that was never seen.
  v1::Phase PhaseOf(std::uint32_t rank) const;

  // Returns what is known of the death of these ranks. A place seen in another step than `step`, when that is known, is
  // left out.
  v1::Death DeathOf(std::span<const std::uint32_t> dead, std::optional<std::uint64_t> step) const;
  // Returns "rank 0 in vote of step 17, rank 1 in compute of step 17". Empty when no rank was seen.
  std::string PlacesText() const;

 private:
  struct Sighting {
    RankPlace place;
    v1::DeathCause cause = v1::DEATH_CAUSE_UNSPECIFIED;  // unspecified: not known to be dead
  };
  std::map<std::uint32_t, Sighting> sightings_;
  std::optional<std::uint32_t> first_killed_;
  std::uint64_t step_ = 0;
};

}  // namespace still::coordinator
