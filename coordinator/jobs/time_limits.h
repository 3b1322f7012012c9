// Where the time limit of a job is enforced.
#pragma once

#include <cstdint>

#include "coordinator/jobs/transaction.h"

namespace still::coordinator {

// Returns whether the attempt of a STARTING or RUNNING job has lasted for as long as the job's limit allows.
bool IsOverTimeLimit(const v1::Job& job, UnixMs now);

// Asks for the end of the job's attempt, after which the job is TIMEOUT. The agent lets the ranks finish their step.
void EndForTimeLimit(Transaction& transaction, std::uint64_t id);

}  // namespace still::coordinator
