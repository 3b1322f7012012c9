// Tells the waiting jobs what a finished plan means for them: place in the queue, predicted start, reasons. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "cluster/placement.h"
#include "common/unix_time.h"
#include "coordinator/scheduler/job_plan.h"
#include "coordinator/scheduler/scheduler.h"

namespace still::coordinator {

// The decision, by reference.
struct Decided {
  UnixMs now = 0;
  const std::vector<cluster::HostSlots>& hosts;
  const std::vector<Occupant>& occupants;
  const std::vector<JobPlan>& plans;  // in queue order
  const SchedulerOptions& options;
};

// Returns the wait of every job that does not start, by id.
std::map<std::uint64_t, Wait> WaitsOf(const Decided& decided);

}  // namespace still::coordinator
