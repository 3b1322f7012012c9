// Gives a whole group one outcome: a failure on one rank ends the work of all ranks with the same Status.
#pragma once

#include "common/status.h"
#include "worker/collective/communicator.h"

namespace still::worker {

// Collective. Returns Ok when `mine` is Ok on every rank. Otherwise every rank gets the failure of the lowest rank that
// has one, with its name: "rank 2: ...". When the communicator itself fails, returns its status.
Status Agree(Communicator& world, const Status& mine);

// Collective, after a vote that was not unanimous. Returns the failure of the lowest rank that has one, as above.
Status ShareFailure(Communicator& world, const Status& mine);

}  // namespace still::worker
