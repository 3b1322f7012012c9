#include "coordinator/views/recovery_messages.h"

#include "common/death_text.h"
#include "coordinator/jobs/transitions.h"

namespace still::coordinator {

std::string MessageOf(const v1::Job& job) {
  const bool recovered = job.last_recovery().has_recovery() && job.last_recovery().message().empty();
  return job.message().empty() && recovered && HoldsSlots(job.state()) ? MessageOf(job.last_recovery()) : job.message();
}

std::string MessageOf(const v1::JobRecovery& recovery) {
  return recovery.message().empty() && recovery.has_recovery() ? RecoveryText(recovery.recovery()) : recovery.message();
}

std::string MessageOf(const v1::HistoryEvent& event) {
  std::string message = event.message();
  for (const v1::Recovery& recovery : event.recoveries()) {
    if (!message.empty()) message += "; ";
    message += RecoveryText(recovery);
  }
  return message;
}

}  // namespace still::coordinator
