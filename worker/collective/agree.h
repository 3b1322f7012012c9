// One outcome for a whole group: how a failure on one rank ends the work of all with the same Status.
#pragma once

#include "common/status.h"
#include "worker/collective/communicator.h"

namespace still::worker {

// Collective. Ok when every rank's `mine` is; otherwise, on every rank alike, the failure of the lowest rank that has
// one, named: "rank 2: ...". A failing communicator's own status is returned where nothing could be agreed.
Status Agree(Communicator& world, const Status& mine);

// Collective, after a vote that was not unanimous: what the lowest rank with a failure met, as above.
Status ShareFailure(Communicator& world, const Status& mine);

}  // namespace still::worker
