// Explains why a launch is gone when no rank reported it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "cluster/launcher.h"
#include "common/status.h"
#include "coordinator/launch/host_silence.h"
#include "coordinator/launch/rank_sightings.h"

namespace still::coordinator {

// The evidence.
struct LaunchWitnesses {
  v1::Stage stage;
  const std::string& log_path;
  std::uint64_t log_begin;  // the log's size before the launch: what stands above is of earlier ones
  cluster::ExitInfo mpirun;
  const RankSightings& sightings;
  const std::set<std::uint32_t>& members;          // at its end
  const std::optional<LostHost>& lost_host;        // set: its silence ended the launch
  const HostSilence& silence;                      // of all hosts
  const std::map<std::uint32_t, Status>& gave_up;  // ranks that missed another one, with their results
};

struct LaunchDeath {
  v1::Death death;  // it names the rank or the host at fault, when one is known
  std::string why;  // the death with all evidence and the end of the log
};

// Returns what died, by the best evidence there is. A lost host outweighs a rank, and a rank that its guardian killed
// outweighs one whose death mpirun noticed.
LaunchDeath ExplainDeath(const LaunchWitnesses& witnesses);

}  // namespace still::coordinator
