// Prometheus metrics in the text exposition format 0.0.4. Pure. Ended jobs are counted by state only, so that the
// metrics do not grow with the history.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "common/unix_time.h"
#include "coordinator/jobs/state.h"
#include "coordinator/scheduler/scheduler.h"
#include "coordinator/views/live_jobs.h"

namespace still::coordinator {

inline constexpr char kMetricsContentType[] = "text/plain; version=0.0.4; charset=utf-8";

struct CoordinatorFacts {
  std::uint64_t journal_sequence = 0;  // sequence of the newest event
  UnixMs started_ms = 0;               // start of this process
};

std::string MetricsText(const State& state, const LiveJobs& live, const std::map<std::uint64_t, Wait>& waits,
                        const CoordinatorFacts& facts, UnixMs now);

}  // namespace still::coordinator
