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

  void Update(const v1::JobView& job, UnixMs now) {
    std::string state = StateText(job);
    // The reason of a waiting job changes with every other job, so only the first one is printed.
    if (std::exchange(printed_[job.id()], state) == state) return;
    if (const std::string reason = ReasonText(job); !reason.empty()) state += ": " + reason;
    if (job.ended() && job.cause() != v1::CAUSE_UNSPECIFIED && job.cause() != v1::CAUSE_DONE)
      state += ": " + EnumWord(job.cause());
    if (job.ended() && !job.message().empty()) state += ": " + job.message();
    fmt::print(out_, "{}  {:>5}  {}  {}\n", DateText(now), job.id(), Escaped(job.name()), Escaped(state));
    std::fflush(out_);
  }

 private:
  std::FILE* const out_;
  std::map<std::uint64_t, std::string> printed_;  // states by job
};

}  // namespace

Result<std::vector<v1::JobView>> WaitForJobs(coordinator::CoordinatorClient& client, std::uint64_t pipeline,
                                             const std::vector<std::uint64_t>& ids, Clock& clock, std::FILE* out) {
  StateLines lines(out);
  std::map<std::uint64_t, v1::JobView> ended;
  bool away = false;
  // Jobs that have left the queue are asked for one by one.
  const auto look = [&]() -> Status {
    STILL_ASSIGN_OR_RETURN(const v1::View queue, Ask(client, {.view = v1::VIEW_KIND_QUEUE, .pipeline = pipeline}));
    std::map<std::uint64_t, const v1::JobView*> live;
    for (const v1::JobView& job : queue.jobs()) live[job.id()] = &job;
    for (const std::uint64_t id : ids) {
      if (ended.contains(id)) continue;
      if (const auto at = live.find(id); at != live.end()) {
        lines.Update(*at->second, queue.now_ms());
        continue;
      }
      STILL_ASSIGN_OR_RETURN(const v1::View view, Ask(client, {.view = v1::VIEW_KIND_JOB, .job = id}));
      lines.Update(view.job(), view.now_ms());
      if (view.job().ended()) ended[id] = view.job();
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
  std::vector<v1::JobView> rows;
  for (const std::uint64_t id : ids) rows.push_back(ended[id]);
  return rows;
}

Status PipelineOutcome(const std::vector<v1::JobView>& ended) {
  const v1::JobView* first = nullptr;
  std::size_t failures = 0;
  for (const v1::JobView& job : ended) {
    if (job.state() == v1::JOB_SUCCEEDED) continue;
    ++failures;
    const bool consequence = job.cause() == v1::CAUSE_DEPENDENCY_FAILED;
    if (first == nullptr || (first->cause() == v1::CAUSE_DEPENDENCY_FAILED && !consequence)) first = &job;
  }
  if (first == nullptr) return Ok();
  const Code code = first->state() == v1::JOB_CANCELLED || first->state() == v1::JOB_TIMEOUT ? Code::kCancelled
                    : first->cause() == v1::CAUSE_ERROR || first->cause() == v1::CAUSE_DEPENDENCY_FAILED
                        ? Code::kDataLoss
                        : Code::kUnavailable;
  return Error(code, "{} of {} jobs did not succeed; first job {} {}: {} ({}){}", failures, ended.size(), first->id(),
               Escaped(first->name()), EnumWord(first->state()), EnumWord(first->cause()),
               first->message().empty() ? "" : ": " + Escaped(first->message()));
}

}  // namespace still::cli
