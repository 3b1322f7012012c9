#include "coordinator/launch/rank_sightings.h"
#include "common/vocabulary.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace still::coordinator {
void RankSightings::Seen(std::uint32_t rank, RankPlace place) {
  if (FactsOf(place.phase).part_of_step) Reached(place.step);
  Sighting& sighting = sightings_[rank];
  if (sighting.cause == v1::DEATH_CAUSE_UNSPECIFIED) sighting.place = std::move(place);
}

void RankSightings::Killed(std::uint32_t rank, v1::DeathCause cause, RankPlace place) {
  Seen(rank, std::move(place));
  sightings_[rank].cause = cause;
  if (!first_killed_ && cause != v1::DEATH_CAUSE_DIED) first_killed_ = rank;
}

void RankSightings::Forget(std::uint32_t rank) {
  sightings_.erase(rank);
  if (first_killed_ == rank) first_killed_.reset();
}

v1::Phase RankSightings::PhaseOf(std::uint32_t rank) const {
  const auto found = sightings_.find(rank);
  return found == sightings_.end() ? v1::PHASE_UNSPECIFIED : found->second.place.phase;
}

v1::Death RankSightings::DeathOf(std::span<const std::uint32_t> dead, std::optional<std::uint64_t> step) const {
  v1::Death death;
  death.set_cause(v1::DEATH_CAUSE_DIED);
  death.mutable_ranks()->Add(dead.begin(), dead.end());
  if (step) death.set_step(*step);
  const auto found = dead.size() == 1 ? sightings_.find(dead.front()) : sightings_.end();
  if (found == sightings_.end()) return death;
  const auto& [place, cause] = found->second;
  if (cause != v1::DEATH_CAUSE_UNSPECIFIED) death.set_cause(cause);
  if (step && place.step != *step) return death;
  death.set_phase(place.phase);
  death.set_step(place.step);
  return death;
}

std::string RankSightings::PlacesText() const {
  std::vector<std::string> texts;
  for (const auto& [rank, sighting] : sightings_)
    texts.push_back(fmt::format("rank {} in {}", rank, PlaceText(sighting.place.phase, sighting.place.step)));
  return fmt::format("{}", fmt::join(texts, ", "));
}

}  // namespace still::coordinator
