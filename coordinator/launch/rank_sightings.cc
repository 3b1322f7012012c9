#include "coordinator/launch/rank_sightings.h"

#include <fmt/ranges.h>

#include "common/death_text.h"

namespace still::coordinator {

void RankSightings::OnHeartbeat(std::uint32_t rank, RankPosition position) {
  if (FactsOf(position.phase).part_of_step) RecordStep(position.step);
  Sighting& sighting = sightings_[rank];
  if (sighting.cause == v1::DEATH_CAUSE_UNSPECIFIED) sighting.position = position;
}

void RankSightings::OnKilled(std::uint32_t rank, v1::DeathCause cause, RankPosition position) {
  OnHeartbeat(rank, position);
  sightings_[rank].cause = cause;
  if (!first_killed_ && cause != v1::DEATH_CAUSE_DIED) first_killed_ = rank;
}

void RankSightings::Forget(std::uint32_t rank) {
  sightings_.erase(rank);
  if (first_killed_ == rank) first_killed_.reset();
}

v1::Death RankSightings::DeathOf(std::span<const std::uint32_t> dead, std::optional<std::uint64_t> step) const {
  v1::Death death;
  death.set_cause(v1::DEATH_CAUSE_DIED);
  death.mutable_ranks()->Add(dead.begin(), dead.end());
  if (step) death.set_step(*step);
  const auto found = dead.size() == 1 ? sightings_.find(dead.front()) : sightings_.end();
  if (found == sightings_.end()) return death;
  const auto& [position, cause] = found->second;
  if (cause != v1::DEATH_CAUSE_UNSPECIFIED) death.set_cause(cause);
  if (step && position.step != *step) return death;
  death.set_phase(position.phase);
  death.set_step(position.step);
  return death;
}

std::string RankSightings::PositionsText() const {
  std::vector<std::string> texts;
  for (const auto& [rank, sighting] : sightings_)
    texts.push_back(fmt::format("rank {} in {}", rank, PlaceText(sighting.position.phase, sighting.position.step)));
  return fmt::format("{}", fmt::join(texts, ", "));
}

}  // namespace still::coordinator
