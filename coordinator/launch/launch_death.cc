#include "coordinator/launch/launch_death.h"

#include <span>

#include "common/death_text.h"
#include "coordinator/launch/launch_log.h"

namespace still::coordinator {
namespace {

constexpr std::size_t kLogLines = 12;

// The host at fault, when it is clear that one is: its silence ended the launch, or mpirun lost it.
std::optional<LostHost> HostAtFault(const LaunchWitnesses& seen, std::string_view log) {
  if (seen.lost_host) return seen.lost_host;
  const std::optional<std::string> lost = HostThatMpirunLost(log);
  return lost ? seen.silence.FoundLost(*lost) : std::nullopt;
}

}  // namespace

LaunchDeath ExplainDeath(const LaunchWitnesses& seen) {
  const std::string log = LogSince(seen.log_path, seen.log_begin);
  LaunchDeath death;
  const std::optional<LostHost> host = HostAtFault(seen, log);
  if (!host) death.rank = seen.sightings.first_killed();
  if (!host && !death.rank) death.rank = RankThatMpirunNoticed(log);
  if (death.rank && !seen.members.contains(*death.rank)) death.rank.reset();  // died earlier, and was survived
  if (host) {
    death.death = host->AsDeath();
    death.lost_host = host->host;
  } else if (death.rank) {
    death.death = seen.sightings.DeathOf(std::span(&*death.rank, 1), std::nullopt);
  } else if (!seen.gave_up.empty()) {
    const auto& [rank, said] = *seen.gave_up.begin();
    death.death.set_cause(v1::DEATH_CAUSE_PEER_LOST);
    death.death.set_detail(said.message().substr(0, said.message().find('\n')));
  } else if (seen.sightings.PlacesText().empty()) {
    death.death.set_cause(v1::DEATH_CAUSE_NOT_STARTED);
    death.death.set_detail(fmt::format("mpirun ended with {} before any rank was heard", seen.mpirun.ToString()));
  } else {
    death.death = seen.sightings.DeathOf({}, std::nullopt);
  }
  death.why = fmt::format("{}: the workers died before the stage was done: {}; mpirun ended with {}; see {}",
                          seen.stage, DeathText(death.death), seen.mpirun.ToString(), seen.log_path);
  for (const auto& [rank, said] : seen.gave_up) death.why += "\n  " + said.message();
  if (const std::string places = seen.sightings.PlacesText(); !places.empty()) death.why += "\n  last seen: " + places;
  if (const std::string lines = LastLines(log, kLogLines); !lines.empty()) death.why += "\n  the log ends:" + lines;
  return death;
}

}  // namespace still::coordinator
