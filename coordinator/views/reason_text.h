// Says in one line for people why a job is not simply running. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "coordinator/jobs/state.h"
#include "coordinator/scheduler/scheduler.h"
#include "coordinator/views/live_jobs.h"

namespace still::coordinator {

// Returns the line. It is never empty for a job that waits or recovers, and always empty for one that has ended.
std::string ReasonLine(const v1::Job& job, const LiveJobs& live, const std::map<std::uint64_t, Wait>& waits,
                       UnixMs now);

}  // namespace still::coordinator
