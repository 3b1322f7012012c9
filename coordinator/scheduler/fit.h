// Tells whether a job can ever get its slots. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "common/enum_words.h"
#include "common/proto/coordinator.pb.h"
#include "common/status.h"

namespace still::coordinator {

// Returns INVALID_ARGUMENT when the hosts could not hold the job's gang even with all of them empty and open.
// `slots_of_hosts` has the slots of each host. `position` is the job's place in its submission, counted from 1. The
// coordinator and a client that asks before it submits give the same answer.
Status CheckFit(const v1::JobSpec& spec, int position, const std::vector<std::uint32_t>& slots_of_hosts);

}  // namespace still::coordinator
