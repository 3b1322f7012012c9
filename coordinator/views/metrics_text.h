// Prometheus metrics: text exposition format 0.0.4. Pure. Jobs that ended are counted by state only, so that a
// coordinator's metrics do not grow with its history.
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
  std::uint64_t journal_sequence = 0;  // of the last event on record
  UnixMs started_ms = 0;               // of this process
};

std::string MetricsText(const State& state, const LiveJobs& live, const std::map<std::uint64_t, Wait>& waits,
                        const CoordinatorFacts& facts, UnixMs now);

}  // namespace still::coordinator
