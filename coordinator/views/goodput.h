// Goodput: where the time of a job went since its submission. Pure.
#pragma once

#include <map>

#include "common/enum_words.h"
#include "common/unix_time.h"
#include "coordinator/views/live_jobs.h"

namespace still::coordinator {

// Returns the seconds of the job by kind, with every kind once. `live` is what its agents reported, or null.
//
// The seconds are rank-seconds divided by the number of ranks, and so add up to wall time. The queue's seconds come
// from the job's record, and all others from reports. Earlier attempts count if this coordinator heard them.
// PhaseFacts (common/enum_words.h) says which kind the phase of a rank counts as.
std::map<v1::GoodputKind, double> GoodputOf(const v1::Job& job, const LiveJob* live, UnixMs now);

}  // namespace still::coordinator
