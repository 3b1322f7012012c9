// The state of a coordinator, built from records, for tests of what shows it: jobs in every state and with every flag,
// hosts open and closed, curves, history, and names with markup. Nothing in it depends on the time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "coordinator/jobs/state.h"
#include "coordinator/scheduler/scheduler.h"
#include "coordinator/views/live_jobs.h"
#include "coordinator/views/views.h"

namespace still::testing {

// As a job's name it would, put into a page as markup, run.
inline constexpr char kHostileName[] = "<img src=x onerror=\"document.title='owned'\"><script>owned()</script>";
inline constexpr char kNotUtf8[] = "the file is named caf\xe9";

struct MadeUpCluster {
  static constexpr UnixMs kNow = 1'700'000'000'000;

  MadeUpCluster();
  coordinator::ViewSources sources() const;
  // The view as JSON; fails the process where there is none.
  std::string View(const std::string& view, std::uint64_t job = 0) const;

  coordinator::State state;
  coordinator::LiveJobs live;
  std::map<std::uint64_t, coordinator::Wait> waits;
  std::vector<stillhouse::v1::HistoryEvent> events;

  // Jobs, by what is remarkable about them.
  static constexpr std::uint64_t kRunning = 4;
  static constexpr std::uint64_t kStraggling = 5;
  static constexpr std::uint64_t kRecovering = 6;
  static constexpr std::uint64_t kQueued = 7;
  static constexpr std::uint64_t kDependent = 8;
  static constexpr std::uint64_t kHeld = 9;
  static constexpr std::uint64_t kReconciling = 10;
  static constexpr std::uint64_t kHostile = 11;
  static constexpr std::uint64_t kUnreachable = 12;
  static constexpr std::uint64_t kFailed = 13;
  static constexpr std::uint64_t kPreempting = 15;
};

}  // namespace still::testing
