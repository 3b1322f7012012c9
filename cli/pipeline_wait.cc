#include "cli/pipeline_wait.h"

#include <map>
#include <utility>

#include "cli/job_text.h"
#include "cli/text.h"

namespace still::cli {
namespace {

constexpr std::chrono::milliseconds kPeriod(1000);

// Prints a line whenever the state of a job changes.
class StateLines {
 public:
  explicit StateLines(std::FILE* out) : out_(out) {}

  void Update(const JobRow& job, UnixMs now) {
    std::string state = StateText(job);
    // The reason of a waiting job changes with every other job, so only the first one is printed.
    if (std::exchange(printed_[job.id], state) == state) return;
    if (const std::string reason = ReasonText(job); !reason.empty()) state += ": " + reason;
    if (HasEnded(job) && !job.cause.empty() && job.cause != "DONE") state += ": " + job.cause;
    if (HasEnded(job) && !job.message.empty()) state += ": " + job.message;
    fmt::print(out_, "{}  {:>5}  {}  {}\n", DateText(now), job.id, Escaped(job.name), Escaped(state));
    std::fflush(out_);
  }

 private:
  std::FILE* const out_;
  std::map<std::uint64_t, std::string> printed_;  // states by job
};

}  // namespace

Result<std::vector<JobRow>> WaitForJobs(coordinator::CoordinatorClient& client, std::uint64_t pipeline,
                                        const std::vector<std::uint64_t>& ids, Clock& clock, std::FILE* out) {
  StateLines lines(out);
  std::map<std::uint64_t, JobRow> ended;
  bool away = false;
  // Jobs that have left the queue are asked for one by one.
  const auto look = [&]() -> Status {
    STILL_ASSIGN_OR_RETURN(const View queue, Ask(client, {.view = "queue", .pipeline = pipeline}));
    std::map<std::uint64_t, const JobRow*> live;
    for (const JobRow& job : queue.jobs) live[job.id] = &job;
    for (const std::uint64_t id : ids) {
      if (ended.contains(id)) continue;
      if (const auto at = live.find(id); at != live.end()) {
        lines.Update(*at->second, queue.now_ms);
        continue;
      }
      STILL_ASSIGN_OR_RETURN(const View view, Ask(client, {.view = "job", .job = id}));
      lines.Update(view.job, view.now_ms);
      if (HasEnded(view.job)) ended[id] = view.job;
    }
    return Ok();
  };
  while (true) {
    const Status looked = look();
    if (!looked.ok() && looked.code() != Code::kUnavailable) return looked;
    if (!looked.ok() && !away)
      fmt::print(out, "still: {}; waiting for the coordinator, the jobs go on\n", looked.message());
    away = !looked.ok();
    if (ended.size() == ids.size()) break;
    clock.SleepFor(kPeriod);
  }
  std::vector<JobRow> rows;
  for (const std::uint64_t id : ids) rows.push_back(ended[id]);
  return rows;
}

Status PipelineOutcome(const std::vector<JobRow>& ended) {
  const JobRow* first = nullptr;
  std::size_t failures = 0;
  for (const JobRow& job : ended) {
    if (job.state == "SUCCEEDED") continue;
    ++failures;
    const bool consequence = job.cause == "DEPENDENCY_FAILED";
    if (first == nullptr || (first->cause == "DEPENDENCY_FAILED" && !consequence)) first = &job;
  }
  if (first == nullptr) return Ok();
  const Code code = first->state == "CANCELLED" || first->state == "TIMEOUT"         ? Code::kCancelled
                    : first->cause == "ERROR" || first->cause == "DEPENDENCY_FAILED" ? Code::kDataLoss
                                                                                     : Code::kUnavailable;
  return Error(code, "{} of {} jobs did not succeed; first job {} {}: {} ({}){}", failures, ended.size(), first->id,
               Escaped(first->name), first->state, first->cause,
               first->message.empty() ? "" : ": " + Escaped(first->message));
}

}  // namespace still::cli
