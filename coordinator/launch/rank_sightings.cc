#include "coordinator/launch/rank_sightings.h"

#include <fmt/ranges.h>

#include "common/death_text.h"

namespace still::coordinator {

void RankSightings::OnHeartbeat(std::uint32_t rank, const v1::Heartbeat& heartbeat, Clock::TimePoint now) {
  Sighting& sighting = sightings_[rank];
  if (sighting.heard) {
    const double gap = std::chrono::duration<double>(now - *sighting.heard).count();
    seconds_[heartbeat.phase()] += std::clamp(gap, 0.0, kLongestGapSeconds);
  }
  sighting.heard = now;
  sighting.position.set_host(heartbeat.host());
  sighting.position.set_pid(heartbeat.pid());
  RecordPosition(rank, heartbeat.phase(), heartbeat.step(), heartbeat.phase_seconds());
}

void RankSightings::OnKilled(std::uint32_t rank, const v1::RankKilled& killed) {
  RecordPosition(rank, killed.phase(), killed.step(), killed.phase_seconds());
  sightings_[rank].cause = killed.cause();
  if (!first_killed_ && killed.cause() != v1::DEATH_CAUSE_DIED) first_killed_ = rank;
}

void RankSightings::RecordPosition(std::uint32_t rank, v1::Phase phase, std::uint64_t step, double phase_seconds) {
  if (FactsOf(phase).part_of_step) RecordStep(step);
  Sighting& sighting = sightings_[rank];
  if (sighting.cause != v1::DEATH_CAUSE_UNSPECIFIED) return;
  sighting.position.set_rank(rank);
  sighting.position.set_phase(phase);
  sighting.position.set_step(step);
  sighting.position.set_phase_seconds(phase_seconds);
}

void RankSightings::Forget(std::uint32_t rank) {
  sightings_.erase(rank);
  if (first_killed_ == rank) first_killed_.reset();
}

std::vector<v1::RankState> RankSightings::ranks() const {
  std::vector<v1::RankState> ranks;
  for (const auto& [rank, sighting] : sightings_) ranks.push_back(sighting.position);
  return ranks;
}

v1::Death RankSightings::DeathOf(std::span<const std::uint32_t> dead, std::optional<std::uint64_t> step) const {
  v1::Death death;
  death.set_cause(v1::DEATH_CAUSE_DIED);
  death.mutable_ranks()->Add(dead.begin(), dead.end());
  if (step) death.set_step(*step);
  const auto found = dead.size() == 1 ? sightings_.find(dead.front()) : sightings_.end();
  if (found == sightings_.end()) return death;
  const Sighting& sighting = found->second;
  if (sighting.cause != v1::DEATH_CAUSE_UNSPECIFIED) death.set_cause(sighting.cause);
  if (step && sighting.position.step() != *step) return death;
  death.set_phase(sighting.position.phase());
  death.set_step(sighting.position.step());
  return death;
}

std::string RankSightings::PositionsText() const {
  std::vector<std::string> texts;
  for (const auto& [rank, sighting] : sightings_)
    texts.push_back(fmt::format("rank {} in {}", rank, PlaceText(sighting.position.phase(), sighting.position.step())));
  return fmt::format("{}", fmt::join(texts, ", "));
}

}  // namespace still::coordinator
