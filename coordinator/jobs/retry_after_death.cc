#include "coordinator/jobs/retry_after_death.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/backoff.h"
#include "coordinator/jobs/names.h"

namespace still::coordinator {
namespace {

constexpr std::string_view kAgent = "agent";

std::int64_t BackoffMs(std::int64_t first_ms, std::int64_t longest_ms, std::uint32_t times) {
  return Backoff(std::chrono::milliseconds(first_ms), std::chrono::milliseconds(longest_ms), times).count();
}

// Ends the job whose attempts died too often in a row.
void GiveUp(Transaction& transaction, std::uint64_t id, const AttemptDeath& death) {
  const v1::Job& job = transaction.job(id);
  if (job.spec().retries() == 0) {
    transaction.Move(id, job.state(), v1::JOB_FAILED, death.cause, kAgent, death.message);
  } else {
    transaction.Move(id, job.state(), v1::JOB_FAILED, v1::CAUSE_RETRIES_EXHAUSTED, kAgent,
                     WithMore(death.message, fmt::format("; `still requeue {}` continues", id)));
  }
}

}  // namespace

bool CompleteRequestedEnd(Transaction& transaction, std::uint64_t id, const std::string& message) {
  const v1::Job& job = transaction.job(id);
  const std::string why = job.message();
  if (job.state() == v1::JOB_PREEMPTING) {
    transaction.Move(id, v1::JOB_PREEMPTING, v1::JOB_PENDING, v1::CAUSE_PREEMPTED, kAgent, why);
    return true;
  }
  if (job.state() != v1::JOB_COMPLETING) return false;
  const v1::JobState after = job.after();
  v1::Job& moved = transaction.Move(id, v1::JOB_COMPLETING, after, job.cause(), kAgent,
                                    message.empty() ? why : fmt::format("{}; {}", why, message));
  if (after == v1::JOB_PENDING) {
    moved.set_failures(0);
    moved.set_eligible_ms(0);
  }
  return true;
}

void RetryAfterDeath(Transaction& transaction, std::uint64_t id, const AttemptDeath& death,
                     const DecisionOptions& options) {
  if (CompleteRequestedEnd(transaction, id, death.message)) return;
  v1::Job& job = transaction.Edit(id);
  const bool gained = death.step > job.step();
  job.set_step(std::max(job.step(), death.step));
  job.set_failures(gained ? 1 : job.failures() + 1);
  if (job.failures() > job.spec().retries()) return GiveUp(transaction, id, death);
  const std::int64_t pause =
      job.failures() <= 1 ? 0 : BackoffMs(options.first_backoff_ms, options.longest_backoff_ms, job.failures() - 2);
  // A job that a person starts by hand needs no slots to recover in: it waits for their next mpirun.
  transaction
      .Move(id, job.state(), job.attached() ? v1::JOB_PENDING : v1::JOB_RECOVERING, death.cause, kAgent, death.message)
      .set_eligible_ms(pause == 0 ? 0 : transaction.now() + pause);
  CountRecoveries(transaction, id, 1, death.cause).set_message(death.message.substr(0, death.message.find('\n')));
}

void BlacklistHost(Transaction& transaction, const std::string& name, const DecisionOptions& options) {
  v1::Host& host = transaction.EditHost(name);
  const std::int64_t pause = BackoffMs(options.first_blacklist_ms, options.longest_blacklist_ms, host.failures());
  host.set_failures(host.failures() + 1);
  host.set_blacklisted_until_ms(transaction.now() + pause);
  transaction.RecordHost(name, "coordinator", fmt::format("lost; not used for {} s", pause / 1000));
}

v1::JobRecovery& CountRecoveries(Transaction& transaction, std::uint64_t id, std::size_t deaths, v1::Cause cause) {
  v1::Job& job = transaction.Edit(id);
  job.set_recoveries(job.recoveries() + static_cast<std::uint32_t>(deaths));
  job.mutable_last_recovery()->set_at_ms(transaction.now());
  job.mutable_last_recovery()->set_cause(cause);
  return *job.mutable_last_recovery();
}

}  // namespace still::coordinator
