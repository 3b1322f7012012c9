// Where the ranks of a launch were last seen: the evidence when one of them, or all, have died. Pure; one thread.
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
  // From heartbeats.
  void Seen(std::uint32_t rank, RankPlace place);
  // Records the last words of the rank's guardian.
  void Killed(std::uint32_t rank, v1::DeathCause cause, RankPlace place);
  // The others went on without it.
  void Forget(std::uint32_t rank);
  // What the launch's progress counts.
  void Reached(std::uint64_t step) { step_ = std::max(step_, step); }

  // The highest that anybody was seen at.
  std::uint64_t step() const { return step_; }
  // The first rank that a guardian killed, of those not forgotten.
  std::optional<std::uint32_t> first_killed() const { return first_killed_; }
  // Returns PHASE_UNSPECIFIED for a rank that was never seen.
  v1::Phase PhaseOf(std::uint32_t rank) const;

  // Returns what is known of the death of these ranks. A place seen in another step than `step`, when that is known, is
  // left out.
  v1::Death DeathOf(std::span<const std::uint32_t> dead, std::optional<std::uint64_t> step) const;
  // "rank 0 in vote of step 17, rank 1 in compute of step 17"; empty when nobody was seen.
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
