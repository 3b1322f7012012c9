// Builds what people and programs are shown: views (common/proto/view.proto), from the coordinator's state. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/proto/coordinator.pb.h"
#include "common/status.h"
#include "common/unix_time.h"
#include "coordinator/jobs/state.h"
#include "coordinator/scheduler/scheduler.h"
#include "coordinator/views/live_jobs.h"

namespace still::coordinator {

// Facts that neither the state nor the reports hold.
struct ViewSources {
  // Returns the newest `limit` events with a sequence above `after`, in the order of their sequences. They are those of
  // `job`, or all if it is 0.
  std::function<Result<std::vector<v1::HistoryEvent>>(std::uint64_t after, std::uint64_t job, std::uint32_t limit)>
      read_history;
  // Returns the command that gives an attached job its ranks, or an empty string if it needs none.
  std::function<std::string(const v1::Job&)> attach_command_of = [](const auto&) { return ""; };
};

// Builds the view that is asked for. A limit of 0 means all live jobs, or the newest 100 of ended jobs and of events.
// All text of the view is UTF-8: other bytes are replaced. INVALID_ARGUMENT: the view is not known, or a view of one
// job names none. NOT_FOUND: there is no such job or pipeline. Errors of read_history are passed on.
Result<v1::View> BuildView(const v1::Query& query, const State& state, const LiveJobs& live,
                           const std::map<std::uint64_t, Wait>& waits, const ViewSources& sources, UnixMs now);

}  // namespace still::coordinator
