// Ranks as threads of one process: the collective calls of the exact step without MPI.
#pragma once

#include <functional>
#include <vector>

#include "common/status.h"
#include "worker/collective/communicator.h"

namespace still::testing {

// Runs `work` once a rank, each in a thread of its own with its own Communicator, and returns what each returned, by
// rank. A rank that leaves while others still make collective calls leaves them waiting, as under MPI.
std::vector<Status> RunRanks(int ranks, const std::function<Status(worker::Communicator&)>& work);

}  // namespace still::testing
