// The coordinator's decisions. Pure: (state, event) -> changes; no clock, disk, network, thread or randomness of its
// own. Whoever drives it journals the changes, applies them, and only then acts on them and answers:
//
//   a job became STARTING            start an agent for its attempt
//   a report arrives                 answer it with OrdersFor(job)
// so what is to be done follows from the state alone, also after a restart.
//
// Every transition is one compare-and-set: an event that names an attempt other than the job's, or that does not fit
// the job's state, changes nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/status.h"
#include "coordinator/jobs/queue.h"
#include "coordinator/jobs/state.h"
#include "coordinator/scheduler/scheduler.h"

namespace still::coordinator {

struct DecisionOptions {
  SchedulerOptions scheduler;
  std::int64_t first_backoff_ms = 1000;  // before the second attempt without a step gained; then doubled
  std::int64_t longest_backoff_ms = 60'000;
  std::int64_t first_blacklist_ms = 60'000;  // of a host that was lost; doubled with every loss in a row
  std::int64_t longest_blacklist_ms = 3'600'000;
  std::size_t most_jobs_a_submission = 10'000;
};

struct SubmitOutcome {
  Changes changes;
  std::uint64_t pipeline = 0;
  std::vector<std::uint64_t> jobs;
};

struct ChangeOutcome {
  Changes changes;
  std::vector<std::uint64_t> jobs;  // that changed
};

class JobDecisions {
 public:
  explicit JobDecisions(DecisionOptions options) : options_(options) {}

  // The same `key` again is answered with the pipeline it made. INVALID_ARGUMENT: a cycle or an unknown dependency, or
  // a gang that no set of hosts could ever hold.
  Result<SubmitOutcome> Submit(const State& state, const stillhouse::v1::Submit& submit, const std::string& user,
                               UnixMs now) const;
  Result<ChangeOutcome> ChangeJobs(const State& state, const stillhouse::v1::ChangeJobs& change,
                                   const std::string& user, UnixMs now) const;
  Result<Changes> ChangeHost(const State& state, const stillhouse::v1::ChangeHost& change, const std::string& user,
                             UnixMs now) const;
  // The inventory as configured now: hosts that came, went or changed their slots.
  Changes SetHosts(const State& state, const std::vector<stillhouse::v1::Host>& hosts, UnixMs now) const;

  // What an agent said. A report of another attempt changes nothing.
  Changes OnReport(const State& state, const stillhouse::v1::AgentReport& report, UnixMs now) const;
  // The agent of this attempt is known to be gone, and left no outcome behind; `step` is what it last reported.
  Changes OnAgentGone(const State& state, std::uint64_t job, std::uint64_t attempt, UnixMs now,
                      std::uint64_t step = 0) const;
  // The agent could not be started.
  Changes OnLaunchFailed(const State& state, std::uint64_t job, std::uint64_t attempt, const Status& why,
                         UnixMs now) const;
  // A person's mpirun takes a waiting job, outside of the slots. UNAVAILABLE: not now, ask again; INVALID_ARGUMENT,
  // NOT_FOUND: never. Ok and no changes: the attempt is this launch's already.
  Result<Changes> AttachLaunch(const State& state, std::uint64_t job, const std::string& launch, std::uint32_t ranks,
                               UnixMs now) const;

  // What time brings: starts, preemptions, time limits, jobs whose artifact exists or whose dependency failed.
  // Call after every event and now and then.
  Changes Advance(const State& state, const ArtifactProber& sights, UnixMs now) const;
  // Why every waiting job waits: all reasons, position and predicted start. `left_ms`: what running jobs will still
  // need, by their progress; others are expected to use all of their time limit. Estimates move all the time, up as
  // well as down: they are shown, and decide nothing, or who was let ahead by one would delay who was promised a start.
  std::map<std::uint64_t, Wait> Waits(
      const State& state, UnixMs now, const std::map<std::uint64_t, std::int64_t>& left_ms = {},
      const ArtifactProber& sights = [](const auto&) { return false; }) const;
  // A coordinator has taken up this state: a line in the history.
  Changes OnCoordinatorStart(const State& state, UnixMs now) const;

  // What an attempt's agent is to do. Null job: the coordinator does not know it.
  static stillhouse::v1::AgentOrders OrdersFor(const stillhouse::v1::Job* job,
                                               const stillhouse::v1::AgentReport& report);

 private:
  DecisionOptions options_;
};

// Returns the recoveries of a report that come after the one that led to generation `last`. A report repeats each until
// it is recorded.
std::vector<stillhouse::v1::Recovery> UnreportedRecoveries(const stillhouse::v1::AgentReport& report,
                                                           std::uint64_t last);

// What must hold of every state that a sequence of decisions leads to; empty, or what is wrong. For tests and the
// simulator: slots never double-booked, gangs placed whole, terminal jobs without processes, indices consistent.
std::string BrokenInvariant(const State& state);

}  // namespace still::coordinator
