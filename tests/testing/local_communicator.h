// Ranks as threads of one process, with the deaths and recoveries of real ones: for tests of whatever uses a
// Communicator.
#pragma once

#include <functional>
#include <vector>

#include "common/status.h"
#include "worker/collective/communicator.h"

namespace still::testing {

// Thrown in a rank's thread to end it as SIGKILL ends a process: no destructor's message reaches the others, whose
// calls fail from then on until they Shrink. Not a std::exception: nothing under test may catch it.
struct RankDied {};

// Runs `work` on `ranks` threads and returns what each came to; UNAVAILABLE "died" for one that threw RankDied.
std::vector<Status> RunRanks(int ranks, const std::function<Status(worker::Communicator&)>& work);

}  // namespace still::testing
