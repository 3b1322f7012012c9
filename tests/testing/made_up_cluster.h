// A coordinator's state for tests of views, metrics and the status page. It has jobs in every state and with every
// flag, open and closed hosts, curves, a history, and hostile names. It does not depend on the time.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "coordinator/jobs/state.h"
#include "coordinator/scheduler/scheduler.h"
#include "coordinator/views/live_jobs.h"
#include "coordinator/views/views.h"

namespace still::testing {

// The name of a job that would run as a script if a page took it for markup.
inline constexpr char kHostileName[] = "<img src=x onerror=\"document.title='owned'\"><script>owned()</script>";
inline constexpr char kNotUtf8[] = "the file is named caf\xe9";

struct MadeUpCluster {
  static constexpr UnixMs kNow = 1'700'000'000'000;

  MadeUpCluster();
  coordinator::ViewSources sources() const;
  // Returns the view. Fails the process if there is none.
  v1::View View(v1::ViewKind view, std::uint64_t job = 0) const;
  // The running job's agent reports this loss.
  void ReportLoss(double loss);

  coordinator::State state;
  coordinator::LiveJobs live;
  std::map<std::uint64_t, coordinator::Wait> waits;
  std::vector<v1::HistoryEvent> events;

  // Jobs, named by their state or flag.
  static constexpr std::uint64_t kSucceeded = 3;
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
