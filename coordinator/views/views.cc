#include "coordinator/views/views.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "common/duration_text.h"
#include "coordinator/jobs/names.h"
#include "coordinator/jobs/queue.h"
#include "coordinator/views/job_rows.h"

namespace still::coordinator {
namespace {

using nlohmann::json;
using stillhouse::v1::Job;
using stillhouse::v1::Query;

constexpr std::uint32_t kDefaultLimit = 100;
constexpr std::uint32_t kLongestLimit = 10'000;

std::uint32_t LimitOf(const Query& query) {
  return query.limit() == 0 ? kDefaultLimit : std::min(query.limit(), kLongestLimit);
}

bool Selected(const Query& query, const Job& job) {
  return (query.job() == 0 || job.id() == query.job()) && (query.pipeline() == 0 || job.pipeline() == query.pipeline());
}

// Live jobs: those with slots first, then the queue in its order, then those that are not in it.
std::vector<const Job*> LiveInOrder(const Query& query, const RowSources& from) {
  std::vector<std::tuple<int, std::uint32_t, std::uint64_t, const Job*>> keyed;
  for (const std::uint64_t id : from.state.live()) {
    const Job* job = from.state.FindJob(id);
    if (job == nullptr || !Selected(query, *job)) continue;
    const auto wait = from.waits.find(id);
    const std::uint32_t position = wait == from.waits.end() ? 0 : wait->second.position;
    const int group = HoldsSlots(job->state()) ? 0 : position > 0 ? 1 : 2;
    keyed.emplace_back(group, group == 1 ? position : 0, id, job);
  }
  std::sort(keyed.begin(), keyed.end());
  std::vector<const Job*> jobs;
  for (const auto& [group, position, id, job] : keyed) jobs.push_back(job);
  return jobs;
}

json LiveView(const Query& query, const RowSources& from, json (*row)(const RowSources&, const Job&)) {
  const auto jobs = LiveInOrder(query, from);
  json rows = json::array();
  for (const Job* job : jobs) {
    if (query.limit() != 0 && rows.size() >= query.limit()) break;
    rows.push_back(row(from, *job));
  }
  return {{"now_ms", from.now_ms},
          {"jobs", std::move(rows)},
          {"live_jobs", jobs.size()},
          {"storage_trouble", from.live.storage_trouble()}};
}

json HistoryView(const Query& query, const RowSources& from) {
  std::vector<const Job*> ended;
  for (const auto& [id, job] : from.state.jobs()) {
    if (IsTerminal(job.state()) && Selected(query, job)) ended.push_back(&job);
  }
  const auto later = [](const Job* a, const Job* b) {
    return std::pair(a->ended_ms(), a->id()) > std::pair(b->ended_ms(), b->id());
  };
  const auto count = std::min<std::size_t>(ended.size(), LimitOf(query));
  const auto last = ended.begin() + static_cast<std::ptrdiff_t>(count);
  std::partial_sort(ended.begin(), last, ended.end(), later);
  json rows = json::array();
  for (auto job = ended.begin(); job != last; ++job) rows.push_back(JobRow(from, **job));
  return {{"now_ms", from.now_ms}, {"jobs", std::move(rows)}};
}

Result<json> EventRows(const RowSources& from, const ViewSources& sources, std::uint64_t after, std::uint64_t job,
                       std::uint32_t limit) {
  STILL_ASSIGN_OR_RETURN(const auto events, sources.read_history(after, job, limit));
  json rows = json::array();
  for (const auto& event : events) rows.push_back(EventRow(from.state, event));
  return rows;
}

Result<const Job*> JobAskedFor(const Query& query, const State& state) {
  if (query.job() == 0) return Error(Code::kInvalidArgument, "view {} is of one job: name it", query.view());
  const Job* job = state.FindJob(query.job());
  if (job == nullptr) return Error(Code::kNotFound, "there is no job {}; `still queue` lists them", query.job());
  return job;
}

Result<json> View(const Query& query, const RowSources& from, const ViewSources& sources) {
  const std::string& view = query.view();
  if (query.pipeline() != 0 && !from.state.pipelines().contains(query.pipeline())) {
    return Error(Code::kNotFound, "there is no pipeline {}", query.pipeline());
  }
  if (view == "queue") return LiveView(query, from, JobRow);
  if (view == "top") {
    json top = LiveView(query, from, TopRow);
    top["hosts"] = HostRows(from);
    return top;
  }
  if (view == "nodes") return json{{"now_ms", from.now_ms}, {"hosts", HostRows(from)}};
  if (view == "history") return HistoryView(query, from);
  if (view == "events") {
    if (query.job() != 0) STILL_RETURN_IF_ERROR(JobAskedFor(query, from.state).status());
    STILL_ASSIGN_OR_RETURN(json rows, EventRows(from, sources, query.after(), query.job(), LimitOf(query)));
    return json{{"now_ms", from.now_ms}, {"events", std::move(rows)}};
  }
  if (view == "job") {
    STILL_ASSIGN_OR_RETURN(const Job* job, JobAskedFor(query, from.state));
    json detail = JobDetail(from, *job);
    detail["log_path"] = sources.log_path_of(*job);
    detail["attach_command"] = sources.attach_command_of(*job);
    STILL_ASSIGN_OR_RETURN(detail["events"], EventRows(from, sources, query.after(), job->id(), LimitOf(query)));
    return json{{"now_ms", from.now_ms}, {"job", std::move(detail)}};
  }
  if (view == "why") {
    STILL_ASSIGN_OR_RETURN(const Job* job, JobAskedFor(query, from.state));
    json row = JobRow(from, *job);
    row["attach_command"] = sources.attach_command_of(*job);
    return json{{"now_ms", from.now_ms}, {"job", std::move(row)}, {"reasons", ReasonRows(from, *job)}};
  }
  return Error(Code::kInvalidArgument, "there is no view '{}'; views: queue, top, job, why, nodes, history, events",
               view);
}

std::string JoinedReasons(const Wait& wait) {
  std::string line;
  for (const Reason& reason : wait.reasons) {
    if (!line.empty() && !reason.text.empty()) line += "; ";
    line += reason.text;
  }
  return line;
}

// For a job that the scheduler said nothing about.
std::string WaitingLine(const Job& job, UnixMs now) {
  std::string line;
  if (job.state() == stillhouse::v1::JOB_HELD) {
    line = "held";
  } else if (job.eligible_ms() > now) {
    line = fmt::format("pause of {} before attempt {}", DurationText(job.eligible_ms() - now), job.attempt() + 1);
  } else if (job.state() == stillhouse::v1::JOB_RECOVERING) {
    line = "waits for slots to recover in";
  } else {
    line = "waits for the scheduler to look at it";
  }
  if (!job.message().empty()) line += ": " + job.message();
  return line;
}

// For a job with slots: what is not as it should be.
std::string RunningLine(const Job& job, const LiveJobs& live, UnixMs now) {
  std::vector<std::string> parts;
  if (job.state() == stillhouse::v1::JOB_PREEMPTING) parts.push_back("finishes its step, then makes way");
  if (job.state() == stillhouse::v1::JOB_COMPLETING) {
    parts.push_back(fmt::format("will be {} when its processes are gone", StateName(job.after())));
  }
  const LiveJob* known = live.Find(job.id());
  for (const std::string& flag : live.FlagsOf(job, now)) {
    if (flag == "RECONCILING") parts.push_back("ran before this coordinator started; its agent has not reported yet");
    if (flag == "UNREACHABLE") {
      parts.push_back(
          fmt::format("agent not heard for {}; the job is left alone", DurationText(live.SilenceMs(job, now))));
    }
    if (flag == "STRAGGLING" && known != nullptr) {
      for (const std::uint32_t rank : Stragglers(known->ranks)) parts.push_back(fmt::format("rank {} straggles", rank));
    }
    if (flag == "DEGRADED_STORAGE") {
      const bool own = known != nullptr && !known->storage_trouble.empty();
      parts.push_back(own ? "no checkpoints are kept: " + known->storage_trouble
                          : "the coordinator can record nothing: " + live.storage_trouble());
    }
  }
  return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace

Result<std::string> ViewJson(const Query& query, const State& state, const LiveJobs& live,
                             const std::map<std::uint64_t, Wait>& waits, const ViewSources& sources, UnixMs now) {
  STILL_ASSIGN_OR_RETURN(const json view, View(query, {state, live, waits, now}, sources));
  return view.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string ReasonLine(const Job& job, const LiveJobs& live, const std::map<std::uint64_t, Wait>& waits, UnixMs now) {
  if (IsTerminal(job.state())) return "";
  if (HoldsSlots(job.state())) return RunningLine(job, live, now);
  const auto wait = waits.find(job.id());
  const std::string reasons = wait == waits.end() ? "" : JoinedReasons(wait->second);
  return reasons.empty() ? WaitingLine(job, now) : reasons;
}

std::map<std::string, std::uint32_t> SlotsInUse(const State& state) {
  std::map<std::string, std::uint32_t> in_use;
  for (const std::uint64_t id : state.live()) {
    const Job* job = state.FindJob(id);
    if (job == nullptr || job->attached() || !HoldsSlots(job->state())) continue;
    for (const auto& share : job->placement()) in_use[share.host()] += share.ranks() * job->spec().slots_per_rank();
  }
  return in_use;
}

std::string HostStateName(const stillhouse::v1::Host& host, UnixMs now) {
  return host.drained() ? "DRAINED" : host.blacklisted_until_ms() > now ? "BLACKLISTED" : "UP";
}

}  // namespace still::coordinator
