// Decides what follows the death of an attempt: another attempt after a back-off, or the end of the job. The loss of a
// host is a death like any other, and closes the host as well (agent_reports.cc). DecisionOptions (decisions.h) has the
// numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "coordinator/jobs/decisions.h"
#include "coordinator/jobs/transaction.h"

namespace still::coordinator {

// The death of a whole attempt, as its agent or the daemon found it.
struct AttemptDeath {
  v1::Cause cause = v1::CAUSE_PROCESS_DEATH;
  std::string message;
  std::uint64_t step = 0;  // highest reached
};

// Completes the end that was asked for, and returns whether one was: a preempted job waits again, and a COMPLETING job
// becomes what was asked for. `message` is what the attempt said at its end.
bool CompleteRequestedEnd(Transaction& transaction, std::uint64_t id, const std::string& message);

// Records the death of the job's attempt and lets the job be tried again. The first death after a step was gained is
// followed by another attempt at once. Each further one doubles the pause before the next attempt, from
// `first_backoff_ms` to `longest_backoff_ms`. More than `retries` deaths in a row end the job as FAILED.
void RetryAfterDeath(Transaction& transaction, std::uint64_t id, const AttemptDeath& death,
                     const DecisionOptions& options);

// Closes, for a while, a host that was lost. Each loss in a row doubles the time, from `first_blacklist_ms` to
// `longest_blacklist_ms`.
void BlacklistHost(Transaction& transaction, const std::string& name, const DecisionOptions& options);

// Adds `deaths`, none of which ended the job, to the job's count of recoveries. Records the time and the cause of the
// newest, and returns that record.
v1::JobRecovery& CountRecoveries(Transaction& transaction, std::uint64_t id, std::size_t deaths, v1::Cause cause);

}  // namespace still::coordinator
