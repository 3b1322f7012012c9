// The policies that ours is measured beside. They ask for no predictions and give no reasons.
#pragma once

#include "coordinator/scheduler/scheduler.h"

namespace still::coordinator {

// In the order of submission; who does not fit holds up all behind it.
SchedulerOutput Fifo(const SchedulerInput& input);

// Slurm's EASY rule in our queue order: one reservation, for the first that does not fit (its shadow); whoever is done
// before the shadow or takes only what it leaves over starts.
SchedulerOutput Easy(const SchedulerInput& input);

}  // namespace still::coordinator
