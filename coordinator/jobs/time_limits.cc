#include "coordinator/jobs/time_limits.h"

#include <fmt/format.h>

#include "common/duration_text.h"

namespace still::coordinator {

bool EnforceTimeLimit(Transaction& transaction, std::uint64_t id) {
  const v1::Job& job = transaction.job(id);
  const std::int64_t limit_ms = job.spec().time_limit_ms();
  if (job.state() != v1::JOB_STARTING && job.state() != v1::JOB_RUNNING) return false;
  if (limit_ms <= 0 || transaction.now() - job.started_ms() < limit_ms) return false;
  transaction
      .Move(id, job.state(), v1::JOB_COMPLETING, v1::CAUSE_TIME_LIMIT, "scheduler",
            fmt::format("its time limit of {} is over", DurationText(limit_ms)))
      .set_after(v1::JOB_TIMEOUT);
  return true;
}

}  // namespace still::coordinator
