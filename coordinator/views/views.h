// What people and programs are shown, as JSON: one text for `still --json`, the HTTP API and the status page. Pure.
// Names of fields are promised to users: they are added to, never changed. Times are ms since 1970, 0: none.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/proto/coordinator.pb.h"
#include "common/status.h"
#include "common/unix_time.h"
#include "coordinator/jobs/names.h"
#include "coordinator/jobs/state.h"
#include "coordinator/scheduler/scheduler.h"
#include "coordinator/views/live_jobs.h"

namespace still::coordinator {

// What is known elsewhere.
struct ViewSources {
  // Of the events with a sequence above `after`, of `job` (0: of all), the newest `limit`, in the order of their
  // sequences.
  std::function<Result<std::vector<stillhouse::v1::HistoryEvent>>(std::uint64_t after, std::uint64_t job,
                                                                  std::uint32_t limit)>
      read_history;
  // Where the ranks of the job's last attempt log to; empty: nowhere yet.
  std::function<std::string(const stillhouse::v1::Job&)> log_path_of = [](const auto&) { return ""; };
  // What a person types to give it its ranks; empty where nobody is to.
  std::function<std::string(const stillhouse::v1::Job&)> attach_command_of = [](const auto&) { return ""; };
};

// Of the view that is asked for: queue, top, job, why, nodes, history or events. `limit` 0: all live jobs, the newest
// 100 of jobs that ended and of events. Text that is not UTF-8 is replaced where it is not.
// INVALID_ARGUMENT: no such view; NOT_FOUND: no such job or pipeline.
Result<std::string> ViewJson(const stillhouse::v1::Query& query, const State& state, const LiveJobs& live,
                             const std::map<std::uint64_t, Wait>& waits, const ViewSources& sources, UnixMs now);

// Why a job is not simply running, in one line: never empty for one that waits or recovers.
std::string ReasonLine(const stillhouse::v1::Job& job, const LiveJobs& live, const std::map<std::uint64_t, Wait>& waits,
                       UnixMs now);

// Slots that the jobs on each host hold.
std::map<std::string, std::uint32_t> SlotsInUse(const State& state);
// "UP", "DRAINED", "BLACKLISTED".
std::string HostStateName(const stillhouse::v1::Host& host, UnixMs now);

}  // namespace still::coordinator
