// Waits for the jobs of a submission, as `still submit --wait` does.
#pragma once

#include <cstdint>
#include <cstdio>
#include <vector>

#include "cli/connection.h"
#include "common/clock.h"
#include "common/status.h"

namespace still::cli {

// Blocks until all jobs have ended and returns them in the order of `ids`. Prints each change of state on `out`. Waits
// for a coordinator that is away, because the jobs go on without it.
Result<std::vector<v1::JobView>> WaitForJobs(coordinator::CoordinatorClient& client, std::uint64_t pipeline,
                                             const std::vector<std::uint64_t>& ids, Clock& clock, std::FILE* out);

// Returns OK when all jobs succeeded, else the status of the first failure that is not the consequence of another one:
// CANCELLED for a job that was cancelled or reached its time limit, UNAVAILABLE for one that ran out of retries or lost
// its host, DATA_LOSS for an error that would happen again. ExitCode (common/status.h) makes the exit status of it.
Status PipelineOutcome(const std::vector<v1::JobView>& ended);

}  // namespace still::cli
