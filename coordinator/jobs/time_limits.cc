#include "coordinator/jobs/time_limits.h"

#include <fmt/format.h>

#include "common/duration_text.h"

namespace still::coordinator {

bool IsOverTimeLimit(const v1::Job& job, UnixMs now) {
  return (job.state() == v1::JOB_STARTING || job.state() == v1::JOB_RUNNING) && job.spec().time_limit_ms() > 0 &&
         now - job.started_ms() >= job.spec().time_limit_ms();
}

void EndForTimeLimit(Transaction& transaction, std::uint64_t id) {
  const std::string limit = DurationText(transaction.job(id).spec().time_limit_ms());
  transaction
      .Move(id, v1::JOB_COMPLETING, v1::CAUSE_TIME_LIMIT, "scheduler",
            fmt::format("its time limit of {} is over", limit))
      .set_after(v1::JOB_TIMEOUT);
}

}  // namespace still::coordinator
