// The waiting jobs of a state, sorted into those that only slots hold back, which the scheduler is asked about, and
// those with other reasons to wait. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cluster/placement.h"
#include "coordinator/core/scheduler.h"
#include "coordinator/core/state.h"

namespace still::coordinator {

struct Queue {
  std::vector<QueuedJob> ready;
  std::vector<RunningJob> running;
  std::map<std::uint64_t, std::vector<Reason>> blocked;  // by other things than slots
  std::vector<cluster::HostSlots> hosts;
};

Queue QueueOf(const State& state, UnixMs now);

// The gang as it would be started: after the loss of a host a job goes on with the ranks that the hosts that are left
// can hold.
cluster::GangShape GangOf(const stillhouse::v1::Job& job, const std::vector<cluster::HostSlots>& hosts);

// "4 min 5 s": for texts that people read.
std::string DurationText(std::int64_t milliseconds);

}  // namespace still::coordinator
