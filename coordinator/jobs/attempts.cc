// What happens to the attempts of jobs: reports of their agents, and agents that are gone.
#include <algorithm>

#include <fmt/format.h>

#include "common/death_text.h"
#include "common/vocabulary.h"
#include "coordinator/jobs/decisions.h"
#include "coordinator/jobs/names.h"
#include "coordinator/jobs/transaction.h"

namespace still::coordinator {
namespace {

using stillhouse::v1::AgentOutcome;
using stillhouse::v1::AgentReport;
using stillhouse::v1::Cause;
using stillhouse::v1::Host;
using stillhouse::v1::Job;

constexpr std::string_view kAgent = "agent";

// base, 2 base, 4 base ... up to longest.
std::int64_t Doubled(std::int64_t base, std::int64_t longest, std::uint32_t times) {
  for (; times > 0 && base < longest; --times) base *= 2;
  return std::min(base, longest);
}

bool OfThisAttempt(const State& state, std::uint64_t id, std::uint64_t attempt) {
  const Job* const job = state.FindJob(id);
  return job != nullptr && job->attempt() == attempt && HoldsSlots(job->state());
}

void NoteSuccess(Transaction& transaction, const State& state, std::uint64_t id, const std::string& message) {
  transaction.Move(id, stillhouse::v1::JOB_SUCCEEDED, stillhouse::v1::CAUSE_DONE, kAgent, message);
  for (const auto& share : transaction.job(id).placement()) {
    const auto host = state.hosts().find(share.host());
    if (host != state.hosts().end() && host->second.failures() > 0) transaction.EditHost(share.host()).set_failures(0);
  }
}

// The end that was asked for has come; false when none was.
bool EndAsAsked(Transaction& transaction, std::uint64_t id, const std::string& message) {
  const Job& job = transaction.job(id);
  if (job.state() == stillhouse::v1::JOB_PREEMPTING) {
    transaction.Move(id, stillhouse::v1::JOB_PENDING, stillhouse::v1::CAUSE_PREEMPTED, kAgent, job.message());
    return true;
  }
  if (job.state() != stillhouse::v1::JOB_COMPLETING) return false;
  const stillhouse::v1::JobState after = job.after();
  const std::string why = job.message();
  Job& moved =
      transaction.Move(id, after, job.cause(), kAgent, message.empty() ? why : fmt::format("{}; {}", why, message));
  if (after == stillhouse::v1::JOB_PENDING) {
    moved.set_failures(0);
    moved.set_eligible_ms(0);
  }
  return true;
}

struct Death {
  Cause cause = stillhouse::v1::CAUSE_PROCESS_DEATH;
  std::string message;
  std::uint64_t step = 0;
};

void BlacklistLost(Transaction& transaction, const std::string& name, const DecisionOptions& options) {
  Host& host = transaction.EditHost(name);
  const std::int64_t pause = Doubled(options.first_blacklist_ms, options.longest_blacklist_ms, host.failures());
  host.set_failures(host.failures() + 1);
  host.set_blacklisted_until_ms(transaction.now() + pause);
  transaction.RecordHost(name, "coordinator", fmt::format("lost; not used for {} s", pause / 1000));
}

void NoteRecovery(Transaction& transaction, std::uint64_t id, std::size_t deaths, Cause cause,
                  const std::string& message) {
  Job& job = transaction.Edit(id);
  job.set_recoveries(job.recoveries() + static_cast<std::uint32_t>(deaths));
  job.mutable_last_recovery()->set_at_ms(transaction.now());
  job.mutable_last_recovery()->set_cause(cause);
  job.mutable_last_recovery()->set_message(message.substr(0, message.find('\n')));
}

// Another attempt may help: at once when a step was gained, else after a growing pause, until the budget is used up.
void NoteDeath(Transaction& transaction, std::uint64_t id, const Death& death, const DecisionOptions& options) {
  if (EndAsAsked(transaction, id, death.message)) return;
  Job& job = transaction.Edit(id);
  const bool gained = death.step > job.step();
  job.set_step(std::max(job.step(), death.step));
  job.set_failures(gained ? 1 : job.failures() + 1);
  if (job.failures() > job.spec().retries()) {
    if (job.spec().retries() == 0) {
      transaction.Move(id, stillhouse::v1::JOB_FAILED, death.cause, kAgent, death.message);
    } else {
      transaction.Move(id, stillhouse::v1::JOB_FAILED, stillhouse::v1::CAUSE_RETRIES_EXHAUSTED, kAgent,
                       WithMore(death.message, fmt::format("; `still requeue {}` continues", id)));
    }
    return;
  }
  const auto waits = job.attached() ? stillhouse::v1::JOB_PENDING : stillhouse::v1::JOB_RECOVERING;
  const std::int64_t pause =
      job.failures() <= 1 ? 0 : Doubled(options.first_backoff_ms, options.longest_backoff_ms, job.failures() - 2);
  transaction.Move(id, waits, death.cause, kAgent, death.message)
      .set_eligible_ms(pause == 0 ? 0 : transaction.now() + pause);
  NoteRecovery(transaction, id, 1, death.cause, death.message);
}

void NoteOutcome(Transaction& transaction, const State& state, std::uint64_t id, const AgentOutcome& outcome,
                 const DecisionOptions& options) {
  const Code code = CodeFromWire(outcome.code());
  if (!outcome.lost_host().empty() && state.hosts().contains(outcome.lost_host()))
    BlacklistLost(transaction, outcome.lost_host(), options);
  if (code == Code::kOk) return NoteSuccess(transaction, state, id, outcome.message());
  if (code == Code::kUnavailable || code == Code::kAborted) {
    const bool lost = !outcome.lost_host().empty();
    return NoteDeath(transaction, id,
                     {.cause = lost ? stillhouse::v1::CAUSE_HOST_LOST : stillhouse::v1::CAUSE_PROCESS_DEATH,
                      .message = outcome.message(),
                      .step = outcome.step()},
                     options);
  }
  Job& job = transaction.Edit(id);
  job.set_step(std::max(job.step(), outcome.step()));
  if (code == Code::kCancelled) {
    if (EndAsAsked(transaction, id, "")) return;
    // Somebody else asked agent or ranks to end: a shutdown of the machine, a batch system. It goes on when it can.
    if (job.spec().retries() == 0) {
      transaction.Move(id, stillhouse::v1::JOB_CANCELLED, stillhouse::v1::CAUSE_USER, kAgent, outcome.message());
    } else {
      transaction.Move(id, stillhouse::v1::JOB_PENDING, stillhouse::v1::CAUSE_PREEMPTED, kAgent, outcome.message())
          .set_eligible_ms(transaction.now() + options.longest_backoff_ms);
    }
    return;
  }
  transaction.Move(id, stillhouse::v1::JOB_FAILED, stillhouse::v1::CAUSE_ERROR, kAgent, outcome.message());
}

std::string StartText(const Job& job, std::uint64_t generation) {
  const std::string where = job.attached() ? "by an mpirun typed by hand" : fmt::format("on {}", PlacementText(job));
  return generation == 0 ? where : fmt::format("generation {} {}", generation, where);
}

}  // namespace

std::vector<v1::Recovery> UnreportedRecoveries(const AgentReport& report, std::uint64_t last) {
  std::vector<v1::Recovery> unreported;
  std::ranges::copy_if(report.recoveries(), std::back_inserter(unreported),
                       [last](const v1::Recovery& recovery) { return recovery.generation() > last; });
  return unreported;
}

Changes JobDecisions::OnReport(const State& state, const AgentReport& report, UnixMs now) const {
  if (!OfThisAttempt(state, report.job(), report.attempt())) return {};
  const Job& known = *state.FindJob(report.job());
  // One that was overtaken on its way: what it says of its generation is over.
  if (report.generation() < known.generation() && !report.has_outcome()) return {};
  const bool risen = report.generation() > known.generation();
  const bool started = report.running() && known.state() == stillhouse::v1::JOB_STARTING;
  // The agent launches again by itself after a death.
  const bool restarting = !report.running() && risen && known.state() == stillhouse::v1::JOB_RUNNING;
  // Recoveries that a report told of while nothing could be kept are told again.
  const std::vector<v1::Recovery> untold = UnreportedRecoveries(report, known.last_recovery().recovery().generation());
  if (!risen && !started && !restarting && untold.empty() && !report.has_outcome()) return {};

  Transaction transaction(state, now);
  if (risen) transaction.Edit(known.id()).set_generation(report.generation());
  std::string recoveries;
  for (const v1::Recovery& recovery : untold)
    recoveries += fmt::format("{}{}", recoveries.empty() ? "" : "; ", RecoveryText(recovery));
  if (restarting) {
    transaction.Move(known.id(), stillhouse::v1::JOB_STARTING, stillhouse::v1::CAUSE_PROCESS_DEATH, kAgent, recoveries);
  } else if (!untold.empty()) {
    transaction.Record(known.id(), stillhouse::v1::CAUSE_PROCESS_DEATH, kAgent, recoveries);
    // The message of one whose end was asked for is the reason that it ends with.
    if (known.state() == stillhouse::v1::JOB_STARTING || known.state() == stillhouse::v1::JOB_RUNNING)
      transaction.Edit(known.id()).set_message(recoveries);
  }
  if (!untold.empty()) {
    NoteRecovery(transaction, known.id(), untold.size(), stillhouse::v1::CAUSE_PROCESS_DEATH,
                 RecoveryText(untold.back()));
    *transaction.Edit(known.id()).mutable_last_recovery()->mutable_recovery() = untold.back();
  }
  if (started) {
    transaction.Move(known.id(), stillhouse::v1::JOB_RUNNING, stillhouse::v1::CAUSE_STARTED, kAgent,
                     StartText(known, report.generation()));
  }
  if (report.has_outcome()) NoteOutcome(transaction, state, known.id(), report.outcome(), options_);
  return std::move(transaction).TakeChanges();
}

Changes JobDecisions::OnAgentGone(const State& state, std::uint64_t job, std::uint64_t attempt, UnixMs now,
                                  std::uint64_t step) const {
  if (!OfThisAttempt(state, job, attempt)) return {};
  Transaction transaction(state, now);
  NoteDeath(transaction, job,
            {.cause = stillhouse::v1::CAUSE_AGENT_LOST,
             .message = "its agent died, and mpirun and its ranks with it",
             .step = step},
            options_);
  return std::move(transaction).TakeChanges();
}

Changes JobDecisions::OnLaunchFailed(const State& state, std::uint64_t job, std::uint64_t attempt, const Status& why,
                                     UnixMs now) const {
  if (!OfThisAttempt(state, job, attempt)) return {};
  Transaction transaction(state, now);
  const std::string message = fmt::format("its agent could not be started: {}", why.message());
  if (why.code() == Code::kUnavailable || why.code() == Code::kResourceExhausted) {
    NoteDeath(transaction, job, {.cause = stillhouse::v1::CAUSE_LAUNCH_FAILED, .message = message}, options_);
  } else if (!EndAsAsked(transaction, job, message)) {
    transaction.Move(job, stillhouse::v1::JOB_FAILED, stillhouse::v1::CAUSE_LAUNCH_FAILED, "coordinator", message);
  }
  return std::move(transaction).TakeChanges();
}

stillhouse::v1::AgentOrders JobDecisions::OrdersFor(const Job* job, const AgentReport& report) {
  stillhouse::v1::AgentOrders orders;
  orders.set_sequence(report.sequence());
  if (job == nullptr || job->attempt() != report.attempt() || !HoldsSlots(job->state())) {
    // An attempt that is over for the coordinator, whatever the agent thinks: nothing of it counts any more.
    orders.set_kill(true);
    orders.set_acknowledged(true);
    return orders;
  }
  orders.set_drain(job->state() == stillhouse::v1::JOB_PREEMPTING || job->state() == stillhouse::v1::JOB_COMPLETING);
  orders.set_kill(job->kill());
  return orders;
}

}  // namespace still::coordinator
