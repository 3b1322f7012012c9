// Where the ranks of a launch were last seen: the evidence when one of them, or all, have died. Pure; one thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace still::coordinator {

struct RankPlace {
  std::string phase;  // as workers name them
  std::uint64_t step = 0;
};

class RankSightings {
 public:
  // From heartbeats.
  void Seen(std::uint32_t rank, RankPlace place);
  // A guardian's last words: "hang", "stopped", "orphaned", "fenced"; "died" when it was found dead.
  void Killed(std::uint32_t rank, const std::string& cause, RankPlace place);
  // The others went on without it.
  void Forget(std::uint32_t rank);
  // What the launch's progress counts.
  void Reached(std::uint64_t step) { step_ = std::max(step_, step); }

  // The highest that anybody was seen at.
  std::uint64_t step() const { return step_; }
  // The first rank that a guardian killed, of those not forgotten.
  std::optional<std::uint32_t> first_killed() const { return first_killed_; }
  // Empty when it was never seen.
  std::string PhaseOf(std::uint32_t rank) const;

  // "rank 1 died in compute of step 17", "rank 2 hung in reduce of step 5", "ranks 1 and 2 died in step 17". What was
  // seen in another step than `step`, when that is known, is not told of.
  std::string DeathText(std::span<const std::uint32_t> dead, std::optional<std::uint64_t> step) const;
  // "rank 0 in vote of step 17, rank 1 in compute of step 17"; empty when nobody was seen.
  std::string PlacesText() const;

 private:
  struct Sighting {
    RankPlace place;
    std::string killed_for;  // empty: not known to be killed
  };
  std::map<std::uint32_t, Sighting> sightings_;
  std::optional<std::uint32_t> first_killed_;
  std::uint64_t step_ = 0;
};

}  // namespace still::coordinator
