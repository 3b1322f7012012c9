// The guardian's own process: what the child that Guardian::Start forks does until its end.
#pragma once

#include <sys/types.h>

#include "worker/guardian/guardian.h"
#include "worker/guardian/progress_words.h"

namespace still::worker {

// Watches `rank`, its parent, through `words`, shared with it. Ends with this process: after it has killed the rank, or
// when the rank is gone. It never signals any other process.
[[noreturn]] void RunGuardian(const GuardianOptions& options, pid_t rank, ProgressWords* words);

}  // namespace still::worker
