#include "coordinator/views/reason_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "common/duration_text.h"
#include "coordinator/views/stragglers.h"

namespace still::coordinator {
namespace {

std::string JoinedReasons(const Wait& wait) {
  std::string line;
  for (const Reason& reason : wait.reasons) {
    if (!line.empty() && !reason.text.empty()) line += "; ";
    line += reason.text;
  }
  return line;
}

// Returns the line for a job that the scheduler said nothing about.
std::string WaitingLine(const v1::Job& job, UnixMs now) {
  std::string line;
  if (job.state() == v1::JOB_HELD) {
    line = "held";
  } else if (job.eligible_ms() > now) {
    line = fmt::format("pause of {} before attempt {}", DurationText(job.eligible_ms() - now), job.attempt() + 1);
  } else if (job.state() == v1::JOB_RECOVERING) {
    line = "waits for slots to recover in";
  } else {
    line = "waits for the scheduler to look at it";
  }
  if (!job.message().empty()) line += ": " + job.message();
  return line;
}

// Appends what one flag means for this job.
void AddFlag(v1::JobFlag flag, const v1::Job& job, const LiveJobs& live, UnixMs now, std::vector<std::string>* parts) {
  const LiveJob* const known = live.Find(job.id());
  switch (flag) {
    case v1::JOB_FLAG_RECONCILING:
      parts->push_back("ran before this coordinator started; its agent has not reported yet");
      break;
    case v1::JOB_FLAG_UNREACHABLE:
      parts->push_back(
          fmt::format("agent not heard for {}; the job is left alone", DurationText(live.SilenceMs(job, now))));
      break;
    case v1::JOB_FLAG_STRAGGLING:
      if (known == nullptr) break;
      for (const std::uint32_t rank : Stragglers(known->ranks))
        parts->push_back(fmt::format("rank {} straggles", rank));
      break;
    case v1::JOB_FLAG_DEGRADED_STORAGE: {
      const bool own = known != nullptr && !known->storage_trouble.empty();
      parts->push_back(own ? "no checkpoints are kept: " + known->storage_trouble
                           : "the coordinator can record nothing: " + live.storage_trouble());
      break;
    }
    default: break;
  }
}

// Returns what is wrong with a job that has slots.
std::string RunningLine(const v1::Job& job, const LiveJobs& live, UnixMs now) {
  std::vector<std::string> parts;
  if (job.state() == v1::JOB_PREEMPTING) parts.push_back("finishes its step, then makes way");
  if (job.state() == v1::JOB_COMPLETING)
    parts.push_back(fmt::format("will be {} when its processes are gone", EnumWord(job.after())));
  for (const v1::JobFlag flag : live.FlagsOf(job, now)) AddFlag(flag, job, live, now, &parts);
  return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace

std::string ReasonLine(const v1::Job& job, const LiveJobs& live, const std::map<std::uint64_t, Wait>& waits,
                       UnixMs now) {
  if (IsTerminal(job.state())) return "";
  if (HoldsSlots(job.state())) return RunningLine(job, live, now);
  const auto wait = waits.find(job.id());
  const std::string reasons = wait == waits.end() ? "" : JoinedReasons(wait->second);
  return reasons.empty() ? WaitingLine(job, now) : reasons;
}

}  // namespace still::coordinator
