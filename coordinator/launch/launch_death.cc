#include "coordinator/launch/launch_death.h"

#include <span>

#include "common/death_text.h"
#include "coordinator/launch/launch_log.h"

namespace still::coordinator {
namespace {

constexpr std::size_t kLogLines = 12;

// Returns the host at fault, when it is clear that one is: its silence ended the launch, or mpirun lost it.
std::optional<LostHost> HostAtFault(const LaunchWitnesses& seen, std::string_view log) {
  if (seen.lost_host) return seen.lost_host;
  const std::optional<std::string> lost = HostThatMpirunLost(log);
  return lost ? seen.silence.FoundLost(*lost) : std::nullopt;
}

// Returns the rank at fault, when one is known. A rank that is no member died earlier and was survived.
std::optional<std::uint32_t> RankAtFault(const LaunchWitnesses& seen, std::string_view log) {
  std::optional<std::uint32_t> rank = seen.sightings.first_killed();
  if (!rank) rank = RankThatMpirunNoticed(log);
  return rank && seen.members.contains(*rank) ? rank : std::nullopt;
}

v1::Death DeathBy(const LaunchWitnesses& seen, std::string_view log) {
  if (const std::optional<LostHost> host = HostAtFault(seen, log)) return host->AsDeath();
  if (const std::optional<std::uint32_t> rank = RankAtFault(seen, log))
    return seen.sightings.DeathOf(std::span(&*rank, 1), std::nullopt);
  v1::Death death;
  if (!seen.gave_up.empty()) {
    const std::string& said = seen.gave_up.begin()->second.message();
    death.set_cause(v1::DEATH_CAUSE_PEER_LOST);
    death.set_detail(said.substr(0, said.find('\n')));
  } else if (seen.sightings.PositionsText().empty()) {
    death.set_cause(v1::DEATH_CAUSE_NOT_STARTED);
    death.set_detail(fmt::format("mpirun ended with {} before any rank reported", seen.mpirun.ToString()));
  } else {
    death = seen.sightings.DeathOf({}, std::nullopt);
  }
  return death;
}

}  // namespace

LaunchDeath ExplainDeath(const LaunchWitnesses& seen) {
  const std::string log = LogSince(seen.log_path, seen.log_begin);
  LaunchDeath death{.death = DeathBy(seen, log)};
  death.why = fmt::format("{}: the workers died before the stage was done: {}; mpirun ended with {}; see {}",
                          EnumWord(seen.stage), DeathText(death.death), seen.mpirun.ToString(), seen.log_path);
  for (const auto& [rank, said] : seen.gave_up) death.why += "\n  " + said.message();
  if (const std::string positions = seen.sightings.PositionsText(); !positions.empty())
    death.why += "\n  last seen: " + positions;
  if (const std::string lines = LastLines(log, kLogLines); !lines.empty()) death.why += "\n  the log ends:" + lines;
  return death;
}

}  // namespace still::coordinator
