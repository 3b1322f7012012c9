// Waiting for the jobs of a submission: `still submit --wait`.
#pragma once

#include <cstdint>
#include <cstdio>
#include <vector>

#include "cli/connection.h"
#include "common/clock.h"
#include "common/status.h"

namespace still::cli {

// Returns the jobs once all have ended, in the order of `ids`; every change of state is a line on `out`. A coordinator
// that is away is waited for: the jobs go on without it.
Result<std::vector<v1::JobView>> WaitForJobs(coordinator::CoordinatorClient& client, std::uint64_t pipeline,
                                             const std::vector<std::uint64_t>& ids, Clock& clock, std::FILE* out);

// Ok when all succeeded. Else the first failure that is not another's consequence: CANCELLED for a job that was
// cancelled or ran out of time, UNAVAILABLE for one that ran out of retries or lost its host, DATA_LOSS for an error
// that would happen again.
Status PipelineOutcome(const std::vector<v1::JobView>& ended);

}  // namespace still::cli
