// Decides what follows from reports of agents, and from agents that are gone or could not be started.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "coordinator/jobs/decisions.h"
#include "coordinator/jobs/names.h"
#include "coordinator/jobs/retry_after_death.h"
#include "coordinator/jobs/transaction.h"

namespace still::coordinator {
namespace {

using v1::AgentOutcome;
using v1::AgentReport;
using v1::Job;

constexpr std::string_view kAgent = "agent";

// Returns whether `attempt` is the one that the job has processes of.
bool IsCurrentAttempt(const State& state, std::uint64_t id, std::uint64_t attempt) {
  const Job* const job = state.FindJob(id);
  return job != nullptr && job->attempt() == attempt && HoldsSlots(job->state());
}

void RecordSuccess(Transaction& transaction, const State& state, std::uint64_t id, const std::string& message) {
  transaction.Move(id, transaction.job(id).state(), v1::JOB_SUCCEEDED, v1::CAUSE_DONE, kAgent, message);
  for (const auto& share : transaction.job(id).placement()) {
    const auto host = state.hosts().find(share.host());
    if (host != state.hosts().end() && host->second.failures() > 0) transaction.EditHost(share.host()).set_failures(0);
  }
}

// Somebody else asked the agent or its ranks to end: a shutdown of the machine, or a batch system. The job continues
// after a pause, when it may have more than one attempt.
void RecordForeignEnd(Transaction& transaction, std::uint64_t id, const std::string& message,
                      const DecisionOptions& options) {
  const Job& job = transaction.job(id);
  if (job.spec().retries() == 0) {
    transaction.Move(id, job.state(), v1::JOB_CANCELLED, v1::CAUSE_USER, kAgent, message);
  } else {
    transaction.Move(id, job.state(), v1::JOB_PENDING, v1::CAUSE_PREEMPTED, kAgent, message)
        .set_eligible_ms(transaction.now() + options.longest_backoff_ms);
  }
}

void RecordOutcome(Transaction& transaction, const State& state, std::uint64_t id, const AgentOutcome& outcome,
                   const DecisionOptions& options) {
  const Code code = CodeFromWire(outcome.code());
  const bool lost_host = !outcome.lost_host().empty();
  if (lost_host && state.hosts().contains(outcome.lost_host()))
    BlacklistHost(transaction, outcome.lost_host(), options);
  if (code == Code::kOk) return RecordSuccess(transaction, state, id, outcome.message());
  if (code == Code::kUnavailable || code == Code::kAborted) {
    return RetryAfterDeath(transaction, id,
                           {.cause = lost_host ? v1::CAUSE_HOST_LOST : v1::CAUSE_PROCESS_DEATH,
                            .message = outcome.message(),
                            .step = outcome.step()},
                           options);
  }
  Job& job = transaction.Edit(id);
  job.set_step(std::max(job.step(), outcome.step()));
  if (code != Code::kCancelled) {
    transaction.Move(id, job.state(), v1::JOB_FAILED, v1::CAUSE_ERROR, kAgent, outcome.message());
  } else if (!CompleteRequestedEnd(transaction, id, "")) {
    RecordForeignEnd(transaction, id, outcome.message(), options);
  }
}

std::string StartText(const Job& job, std::uint64_t generation) {
  const std::string where = job.attached() ? "by an mpirun typed by hand" : fmt::format("on {}", PlacementText(job));
  return generation == 0 ? where : fmt::format("generation {} {}", generation, where);
}

// Records deaths that did not end the attempt. When all ranks died, the agent launches them again by itself: the job is
// STARTING until the new ranks report. The lines of the history hold the facts, and views make the text.
void RecordRecoveries(Transaction& transaction, const Job& known, const std::vector<v1::Recovery>& recoveries,
                      bool launching_again) {
  if (launching_again) {
    transaction.Move(known.id(), v1::JOB_RUNNING, v1::JOB_STARTING, v1::CAUSE_PROCESS_DEATH, kAgent);
  } else if (!recoveries.empty()) {
    transaction.Record(known.id(), v1::CAUSE_PROCESS_DEATH, kAgent, "");
    // The message of a job whose end was asked for stays: it is the reason that the job ends with.
    if (known.state() == v1::JOB_STARTING || known.state() == v1::JOB_RUNNING)
      transaction.Edit(known.id()).clear_message();
  }
  if (recoveries.empty()) return;
  transaction.AttachRecoveries(recoveries);
  v1::JobRecovery& last = CountRecoveries(transaction, known.id(), recoveries.size(), v1::CAUSE_PROCESS_DEATH);
  last.clear_message();
  *last.mutable_recovery() = recoveries.back();
}

}  // namespace

std::vector<v1::Recovery> UnreportedRecoveries(const AgentReport& report, std::uint64_t last) {
  std::vector<v1::Recovery> unreported;
  std::ranges::copy_if(report.recoveries(), std::back_inserter(unreported),
                       [last](const v1::Recovery& recovery) { return recovery.generation() > last; });
  return unreported;
}

Changes JobDecisions::OnReport(const State& state, const AgentReport& report, UnixMs now) const {
  if (!IsCurrentAttempt(state, report.job(), report.attempt())) return {};
  const Job& known = *state.FindJob(report.job());
  // A report that was overtaken on its way speaks of a generation that is over.
  if (report.generation() < known.generation() && !report.has_outcome()) return {};
  const bool risen = report.generation() > known.generation();
  const bool started = report.running() && known.state() == v1::JOB_STARTING;
  const bool launching_again = !report.running() && risen && known.state() == v1::JOB_RUNNING;
  // An agent repeats its recoveries, for the case that the journal could not keep them.
  const std::vector<v1::Recovery> recoveries =
      UnreportedRecoveries(report, known.last_recovery().recovery().generation());
  if (!risen && !started && recoveries.empty() && !report.has_outcome()) return {};

  Transaction transaction(state, now);
  if (risen) transaction.Edit(known.id()).set_generation(report.generation());
  RecordRecoveries(transaction, known, recoveries, launching_again);
  if (started) {
    transaction.Move(known.id(), v1::JOB_STARTING, v1::JOB_RUNNING, v1::CAUSE_STARTED, kAgent,
                     StartText(known, report.generation()));
  }
  if (report.has_outcome()) RecordOutcome(transaction, state, known.id(), report.outcome(), options_);
  return std::move(transaction).TakeChanges();
}

Changes JobDecisions::OnAgentGone(const State& state, std::uint64_t job, std::uint64_t attempt, UnixMs now,
                                  std::uint64_t step) const {
  if (!IsCurrentAttempt(state, job, attempt)) return {};
  Transaction transaction(state, now);
  RetryAfterDeath(
      transaction, job,
      {.cause = v1::CAUSE_AGENT_LOST, .message = "its agent died, and mpirun and its ranks with it", .step = step},
      options_);
  return std::move(transaction).TakeChanges();
}

Changes JobDecisions::OnLaunchFailed(const State& state, std::uint64_t job, std::uint64_t attempt, const Status& why,
                                     UnixMs now) const {
  if (!IsCurrentAttempt(state, job, attempt)) return {};
  Transaction transaction(state, now);
  const std::string message = fmt::format("its agent could not be started: {}", why.message());
  if (why.code() == Code::kUnavailable || why.code() == Code::kResourceExhausted) {
    RetryAfterDeath(transaction, job, {.cause = v1::CAUSE_LAUNCH_FAILED, .message = message}, options_);
  } else if (!CompleteRequestedEnd(transaction, job, message)) {
    transaction.Move(job, v1::JOB_STARTING, v1::JOB_FAILED, v1::CAUSE_LAUNCH_FAILED, "coordinator", message);
  }
  return std::move(transaction).TakeChanges();
}

v1::AgentOrders JobDecisions::OrdersFor(const Job* job, const AgentReport& report) {
  v1::AgentOrders orders;
  orders.set_sequence(report.sequence());
  if (job == nullptr || job->attempt() != report.attempt() || !HoldsSlots(job->state())) {
    // The attempt is over for the coordinator, whatever the agent thinks. Nothing that it reports counts any more.
    orders.set_kill(true);
    orders.set_acknowledged(true);
    return orders;
  }
  orders.set_drain(job->state() == v1::JOB_PREEMPTING || job->state() == v1::JOB_COMPLETING);
  orders.set_kill(job->kill());
  return orders;
}

}  // namespace still::coordinator
