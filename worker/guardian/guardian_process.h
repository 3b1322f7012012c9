// The work of the guardian's own process, from the fork in Guardian::Start to its end.
#pragma once

#include <sys/types.h>

#include "worker/guardian/guardian.h"
#include "worker/guardian/shared_progress.h"

namespace still::worker {

// Watches `rank`, the parent of this process, through `words`, which they share. Ends this process after it has killed
// the rank, or when the rank is gone. Never signals any other process.
[[noreturn]] void RunGuardian(const GuardianOptions& options, pid_t rank, SharedProgress* words);

}  // namespace still::worker
