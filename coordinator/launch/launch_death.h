// What is known when a launch is gone and no rank said why.
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

struct LaunchWitnesses {
  const std::string& stage;
  const std::string& log_path;
  std::uint64_t log_begin;  // the log's size before the launch: what stands above is of earlier ones
  cluster::ExitInfo mpirun;
  const RankSightings& sightings;
  const std::set<std::uint32_t>& members;          // when it ended
  const std::optional<LostHost>& lost_host;        // set: whose silence ended it
  const HostSilence& silence;                      // of all hosts
  const std::map<std::uint32_t, Status>& gave_up;  // ranks that missed another one, and what they said
};

struct LaunchDeath {
  v1::Death death;
  std::string why;                    // all of it, with the end of the log and what to do
  std::optional<std::uint32_t> rank;  // at fault, when known
  std::string lost_host;              // at fault, when known
};

LaunchDeath ExplainDeath(const LaunchWitnesses& witnesses);

}  // namespace still::coordinator
