// The removal of what old attempts left in the state directory. Logs, tasks and outcomes of ended jobs are for people
// only: no decision reads them.
#pragma once

#include <cstddef>

#include "common/status.h"
#include "common/storage/state_directory.h"
#include "coordinator/jobs/state.h"

namespace still::coordinator {

struct AttemptRetention {
  std::size_t ended_jobs_kept = 1000;
  std::size_t most_removed = 50;  // jobs per call, which bounds the time of one call
};

// Removes the directories jobs/<id> of the jobs that ended first and keeps the newest `ended_jobs_kept`. The directory
// of a job with a living process stays. After a directory that cannot be removed, the others are still removed, and its
// error is returned at the end. A kill in the middle leaves a part that the next call removes.
Status RemoveOldAttempts(const StateDirectory& directory, const State& state, const AttemptRetention& retention);

}  // namespace still::coordinator
