// The coordinator's decisions about jobs and hosts, and where each of them stands in this folder:
//
// clang-format off
//   submissions.cc   Submit                  agent_reports.cc  OnReport, OnAgentGone, OnLaunchFailed, OrdersFor,
//   job_changes.cc   ChangeJobs, VerbsFor                      UnreportedRecoveries
//   host_changes.cc  ChangeHost, SetHosts,   advance.cc        Advance, Waits
//                    OnCoordinatorStart      starts.cc         AttachLaunch
//   invariants.cc    BrokenInvariant
// clang-format on
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/status.h"
#include "coordinator/jobs/artifact_probe.h"
#include "coordinator/jobs/state.h"
#include "coordinator/scheduler/scheduler.h"

namespace still::coordinator {

struct DecisionOptions {
  SchedulerOptions scheduler;
  std::int64_t first_backoff_ms = 1000;  // before the second attempt without a step gained; then doubled
  std::int64_t longest_backoff_ms = 60'000;
  std::int64_t first_blacklist_ms = 60'000;  // of a host that was lost; doubled with every loss in a row
  std::int64_t longest_blacklist_ms = 3'600'000;
  std::size_t most_jobs_per_submission = 10'000;
};

// The changes that a request of a client makes.
struct ChangeOutcome {
  Changes changes;
  std::uint64_t pipeline = 0;       // the one that was submitted; 0: the request was no submission
  std::vector<std::uint64_t> jobs;  // that were submitted or changed
};

// Decides what changes after an event. Pure: (state, event) -> changes, without a clock, disk, network, thread or
// randomness of its own. May be called from any thread. An error changes nothing.
//
// The caller writes the changes to the journal, applies them to the state, and only then acts on them and answers: it
// starts an agent for the attempt of each job that became STARTING, and answers each report with OrdersFor(). So what
// is to be done follows from the state alone, also after a restart.
//
// An event that names another attempt than the job's, or that does not fit the job's state, changes nothing. Each
// move is checked against the table of transitions.h.
class JobDecisions {
 public:
  explicit JobDecisions(DecisionOptions options) : options_(options) {}

  // Adds a pipeline with its jobs. A submission whose key is known was sent before: its pipeline and jobs are returned,
  // and nothing changes. INVALID_ARGUMENT: a field is out of its range, a job depends on a later one, or all hosts
  // together could not hold the gang of a job.
  Result<ChangeOutcome> Submit(const State& state, const v1::Submit& submit, const std::string& user, UnixMs now) const;
  // Cancels, holds, releases, requeues or reprioritises jobs. For a whole pipeline, the jobs that can be changed are.
  // NOT_FOUND: no such job or pipeline. INVALID_ARGUMENT: a job that was named cannot be changed so.
  Result<ChangeOutcome> ChangeJobs(const State& state, const v1::ChangeJobs& change, const std::string& user,
                                   UnixMs now) const;
  // Drains a host, or puts it back in service. NOT_FOUND: no such host.
  Result<Changes> ChangeHost(const State& state, const v1::ChangeHost& change, const std::string& user,
                             UnixMs now) const;
  // Takes over the inventory as it is configured now: hosts that came, went, or have another number of slots.
  Changes SetHosts(const State& state, const std::vector<v1::Host>& hosts, UnixMs now) const;

  // Takes account of what an agent reports.
  Changes OnReport(const State& state, const v1::AgentReport& report, UnixMs now) const;
  // The agent of this attempt is known to be gone and left no outcome behind. `step` is the last that it reported.
  Changes OnAgentGone(const State& state, std::uint64_t job, std::uint64_t attempt, UnixMs now,
                      std::uint64_t step = 0) const;
  // The agent of this attempt could not be started.
  Changes OnLaunchFailed(const State& state, std::uint64_t job, std::uint64_t attempt, const Status& why,
                         UnixMs now) const;
  // Lets an mpirun that a person typed take a waiting job, without slots of the inventory. No changes: the attempt is
  // this launch's already. UNAVAILABLE: not now, ask again. INVALID_ARGUMENT, NOT_FOUND: never.
  Result<Changes> AttachLaunch(const State& state, std::uint64_t job, const std::string& launch, std::uint32_t ranks,
                               UnixMs now) const;

  // Makes the moves that time brings: starts, preemptions, time limits, jobs whose artifact exists, and jobs whose
  // dependency failed. To be called after every event, from time to time, and again until nothing changes.
  Changes Advance(const State& state, const ArtifactProber& probe, UnixMs now) const;
  // Returns why each waiting job waits: all reasons, position and predicted start. `left_ms` estimates how long running
  // jobs still need, by their progress; others are expected to use their whole time limit. Estimates go up and down all
  // the time. So they are shown and decide nothing: a job that one of them let ahead would delay another job that was
  // promised a start.
  std::map<std::uint64_t, Wait> Waits(
      const State& state, UnixMs now, const std::map<std::uint64_t, std::int64_t>& left_ms = {},
      const ArtifactProber& probe = [](const auto&) { return false; }) const;
  // Records in the history that a coordinator has adopted this state.
  Changes OnCoordinatorStart(const State& state, UnixMs now) const;

  // Returns what an attempt's agent is to do. A null job is one that the coordinator does not know.
  static v1::AgentOrders OrdersFor(const v1::Job* job, const v1::AgentReport& report);

 private:
  DecisionOptions options_;
};

// Returns what a person may do to the job now, as JobDecisions::ChangeJobs decides it. Verbs that would change nothing
// are left out, and so is the priority.
std::vector<v1::JobVerb> VerbsFor(const State& state, std::uint64_t id, UnixMs now);

// Returns the recoveries of a report that come after the one that led to generation `last`. A report repeats each until
// it is recorded.
std::vector<v1::Recovery> UnreportedRecoveries(const v1::AgentReport& report, std::uint64_t last);

// Returns the first invariant of the state that is broken, or an empty text. For tests and the simulator: slots are
// never double-booked, gangs are placed whole, jobs that have ended hold nothing, and indices are consistent.
std::string BrokenInvariant(const State& state);

}  // namespace still::coordinator
