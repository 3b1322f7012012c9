// Enforces the time limit of a job.
#pragma once

#include <cstdint>

#include "coordinator/jobs/transaction.h"

namespace still::coordinator {

// Ends the attempt of a STARTING or RUNNING job that has lasted for as long as the job's limit allows. The agent lets
// the ranks finish their step, and then the job is TIMEOUT. Returns false when there was nothing to end.
bool EnforceTimeLimit(Transaction& transaction, std::uint64_t id);

}  // namespace still::coordinator
