// What a finished plan means for those who wait: place in the queue, predicted start, reasons. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "cluster/placement.h"
#include "common/unix_time.h"
#include "coordinator/scheduler/job_plan.h"
#include "coordinator/scheduler/scheduler.h"

namespace still::coordinator {

// Of the decision; not owned.
struct Decided {
  UnixMs now = 0;
  const std::vector<cluster::HostSlots>& hosts;
  const std::vector<Occupant>& occupants;
  const std::vector<JobPlan>& plans;  // in queue order
  const SchedulerOptions& options;
};

// Of every job that does not start.
std::map<std::uint64_t, Wait> WaitsOf(const Decided& decided);

}  // namespace still::coordinator
