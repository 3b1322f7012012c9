// Deaths and recoveries as people read them. The facts travel as messages (common/proto/vocabulary.proto); the text is
// made where it is shown.
#pragma once

#include <string>

#include "common/proto/vocabulary.pb.h"

namespace still {

// Returns "compute of step 17", or "start" for a phase outside of steps.
std::string PlaceText(stillhouse::v1::Phase phase, std::uint64_t step);

// Returns "rank 1 died in compute of step 17", "rank 2 hung in reduce of step 5", "ranks 1 and 2 died in step 17", or
// "host b was lost: its ranks 2 and 3 have been silent for 15.0 s".
std::string DeathText(const stillhouse::v1::Death& death);

// Returns the text of the death and what followed: "...; generation 4 goes on in place with 2 ranks", or
// "...; launched again as generation 4 (1.5 s)".
std::string RecoveryText(const stillhouse::v1::Recovery& recovery);

}  // namespace still
