// Whether a job can ever have its slots. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "common/proto/coordinator.pb.h"
#include "common/status.h"

namespace still::coordinator {

// INVALID_ARGUMENT when hosts of so many slots, all of them empty and open, could not hold the gang of this job, which
// is at `position` of its submission, counted from 1. A coordinator and who asks before submitting say it alike.
Status CheckFit(const stillhouse::v1::JobSpec& spec, int position, const std::vector<std::uint32_t>& slots_of_hosts);

}  // namespace still::coordinator
