// Rows of the views (views.h) as JSON values. Only views.cc includes it.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>

#include "coordinator/jobs/state.h"
#include "coordinator/scheduler/scheduler.h"
#include "coordinator/views/live_jobs.h"

namespace still::coordinator {

// Everything that rows are made of.
struct RowSources {
  const State& state;
  const LiveJobs& live;
  const std::map<std::uint64_t, Wait>& waits;
  UnixMs now_ms = 0;
};

nlohmann::json JobRow(const RowSources& from, const stillhouse::v1::Job& job);
// A JobRow, the list of ranks in place of their number, goodput.
nlohmann::json TopRow(const RowSources& from, const stillhouse::v1::Job& job);
// A TopRow, the artifact, all reasons, curves; without log and events, which are known elsewhere.
nlohmann::json JobDetail(const RowSources& from, const stillhouse::v1::Job& job);
nlohmann::json ReasonRows(const RowSources& from, const stillhouse::v1::Job& job);
nlohmann::json HostRows(const RowSources& from);
nlohmann::json EventRow(const State& state, const stillhouse::v1::HistoryEvent& event);

}  // namespace still::coordinator
