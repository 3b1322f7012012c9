#include "coordinator/launch/rank_sightings.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace still::coordinator {
namespace {

// The others are of no step.
constexpr std::array<std::string_view, 7> kPhasesOfAStep = {"compute",  "reduce",     "vote",   "optimizer",
                                                            "snapshot", "checkpoint", "recover"};

bool IsOfAStep(const std::string& phase) { return std::ranges::find(kPhasesOfAStep, phase) != kPhasesOfAStep.end(); }

std::string PlaceText(const RankPlace& place) {
  return IsOfAStep(place.phase) ? fmt::format("{} of step {}", place.phase, place.step) : place.phase;
}

// Of a rank that was found dead. When one is, mpirun ends the others, so that this names no culprit.
constexpr std::string_view kDied = "died";

std::string_view Verb(const std::string& killed_for) {
  if (killed_for == "hang") return "hung";
  if (killed_for == "stopped") return "was stopped";
  if (killed_for == "orphaned") return "was orphaned";
  if (killed_for == "fenced") return "was fenced";
  return "died";
}

}  // namespace

void RankSightings::Seen(std::uint32_t rank, RankPlace place) {
  if (IsOfAStep(place.phase)) Reached(place.step);
  Sighting& sighting = sightings_[rank];
  if (sighting.killed_for.empty()) sighting.place = std::move(place);
}

void RankSightings::Killed(std::uint32_t rank, const std::string& cause, RankPlace place) {
  Seen(rank, std::move(place));
  sightings_[rank].killed_for = cause.empty() ? "unknown" : cause;
  if (!first_killed_ && cause != kDied) first_killed_ = rank;
}

void RankSightings::Forget(std::uint32_t rank) {
  sightings_.erase(rank);
  if (first_killed_ == rank) first_killed_.reset();
}

std::string RankSightings::PhaseOf(std::uint32_t rank) const {
  const auto found = sightings_.find(rank);
  return found == sightings_.end() ? "" : found->second.place.phase;
}

std::string RankSightings::DeathText(std::span<const std::uint32_t> dead, std::optional<std::uint64_t> step) const {
  const std::string in_step = step ? fmt::format(" in step {}", *step) : "";
  if (dead.empty()) return "the workers died" + in_step;
  if (dead.size() > 1)
    return fmt::format("ranks {} and {} died{}", fmt::join(dead.first(dead.size() - 1), ", "), dead.back(), in_step);
  const auto found = sightings_.find(dead.front());
  if (found == sightings_.end()) return fmt::format("rank {} died{}", dead.front(), in_step);
  const auto& [place, killed_for] = found->second;
  const bool told = !place.phase.empty() && (!step || place.step == *step);
  return fmt::format("rank {} {}{}", dead.front(), Verb(killed_for), told ? " in " + PlaceText(place) : in_step);
}

std::string RankSightings::PlacesText() const {
  std::vector<std::string> texts;
  for (const auto& [rank, sighting] : sightings_)
    texts.push_back(fmt::format("rank {} in {}", rank, PlaceText(sighting.place)));
  return fmt::format("{}", fmt::join(texts, ", "));
}

}  // namespace still::coordinator
