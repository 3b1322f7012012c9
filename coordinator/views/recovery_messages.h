// The messages of jobs and of lines of the history, as people read them. Records hold recoveries as facts; their text
// is made here.
#pragma once

#include <string>

#include "common/proto/coordinator.pb.h"

namespace still::coordinator {

// Returns the message of the cause of the job's state. For a job with slots whose ranks recovered since then, it is the
// text of the newest recovery.
std::string MessageOf(const stillhouse::v1::Job& job);
// Returns the text of the newest death that did not end the job.
std::string MessageOf(const stillhouse::v1::JobRecovery& recovery);
// Returns the message of a line of the history, followed by the text of each recovery that it records.
std::string MessageOf(const stillhouse::v1::HistoryEvent& event);

}  // namespace still::coordinator
