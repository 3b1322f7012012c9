// What ended attempts leave in the state directory goes in time: logs, tasks and outcomes are for looking at, and no
// decision rests on them.
#pragma once

#include <cstddef>

#include "common/status.h"
#include "coordinator/client/state_directory.h"
#include "coordinator/jobs/state.h"

namespace still::coordinator {

struct AttemptRetention {
  std::size_t ended_jobs_kept = 1000;
  std::size_t most_removed = 50;  // jobs in one call: the caller has others to serve
};

// Removes jobs/<id> of the jobs that ended first, so that those of `ended_jobs_kept` are left. One of which a process
// is still there stays. One that cannot be removed keeps none of the others: its error is returned at the end. Safe to
// be killed in the middle.
Status RemoveOldAttempts(const StateDirectory& directory, const State& state, const AttemptRetention& retention);

}  // namespace still::coordinator
