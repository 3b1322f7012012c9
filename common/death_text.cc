#include "common/death_text.h"

#include <fmt/format.h>

#include <string_view>

#include "common/counted_text.h"
#include "common/enum_words.h"

namespace still {
namespace {

// Returns "rank 1", "ranks 1 and 2" or "ranks 1, 2 and 3".
std::string RanksText(const v1::Death& death) {
  std::string text = death.ranks_size() == 1 ? "rank " : "ranks ";
  for (int i = 0; i < death.ranks_size(); ++i) {
    const char* const separator = i == 0 ? "" : i + 1 == death.ranks_size() ? " and " : ", ";
    text += fmt::format("{}{}", separator, death.ranks(i));
  }
  return text;
}

std::string_view Verb(v1::DeathCause cause) {
  switch (cause) {
    case v1::DEATH_CAUSE_HUNG: return "hung";
    case v1::DEATH_CAUSE_STOPPED: return "was stopped";
    case v1::DEATH_CAUSE_ORPHANED: return "was orphaned";
    case v1::DEATH_CAUSE_FENCED: return "was fenced";
    default: return "died";
  }
}

std::string HostLossText(const v1::Death& death) {
  if (!death.has_silent_seconds())
    return fmt::format("host {} was lost: mpirun lost contact with {}", death.host(), RanksText(death));
  return fmt::format("host {} was lost: its {} ha{} been silent for {:.1f} s", death.host(), RanksText(death),
                     death.ranks_size() == 1 ? "s" : "ve", death.silent_seconds());
}

}  // namespace

std::string PlaceText(v1::Phase phase, std::uint64_t step) {
  return FactsOf(phase).part_of_step ? fmt::format("{} of step {}", EnumWord(phase), step) : EnumWord(phase);
}

std::string DeathText(const v1::Death& death) {
  const std::string in_step = death.has_step() ? fmt::format(" in step {}", death.step()) : "";
  if (death.cause() == v1::DEATH_CAUSE_HOST_LOST) return HostLossText(death);
  if (!death.detail().empty()) return death.detail();
  if (death.cause() == v1::DEATH_CAUSE_PEER_LOST) return "the ranks lost each other" + in_step;
  if (death.ranks().empty()) return "the workers died" + in_step;
  const bool seen = death.ranks_size() == 1 && death.phase() != v1::PHASE_UNSPECIFIED;
  return fmt::format("{} {}{}", RanksText(death), Verb(death.cause()),
                     seen ? " in " + PlaceText(death.phase(), death.step()) : in_step);
}

std::string RecoveryText(const v1::Recovery& recovery) {
  const std::string death = DeathText(recovery.death());
  if (recovery.in_place())
    return fmt::format("{}; generation {} goes on in place with {}", death, recovery.generation(),
                       Counted(recovery.survivors(), "rank"));
  return fmt::format("{}; launched again as generation {} ({:.1f} s)", death, recovery.generation(),
                     recovery.pause_seconds());
}

}  // namespace still
