// Decides dependencies: which waiting jobs end because of the jobs that they depend on, or because their own
// artifact exists. A job with dependencies that have not ended is blocked: see ReasonsOtherThanSlots in queue.h.
#pragma once

#include <cstdint>

#include "coordinator/jobs/artifact_probe.h"
#include "coordinator/jobs/transaction.h"

namespace still::coordinator {

// Ends a waiting job that needs no attempt. It is CANCELLED when one of its dependencies ended without success. It is
// SUCCEEDED when all of them succeeded and its artifact exists, as a job of another pipeline may have made it.
void EndWithoutAttempt(Transaction& transaction, const State& state, std::uint64_t id, const ArtifactProber& probe);

}  // namespace still::coordinator
