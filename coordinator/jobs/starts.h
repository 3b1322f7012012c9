// Moves jobs from PENDING or RECOVERING to STARTING: a job begins an attempt with the slots that the scheduler gives
// it. JobDecisions::AttachLaunch, in the same source, is the other way to start: an mpirun that a person typed.
#pragma once

#include "coordinator/jobs/transaction.h"
#include "coordinator/scheduler/scheduler.h"

namespace still::coordinator {

// Begins the next attempt of a waiting job on the hosts of `start`. The daemon starts its agent afterwards.
void StartJob(Transaction& transaction, const Start& start);

}  // namespace still::coordinator
