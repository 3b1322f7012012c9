#include "coordinator/views/job_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "common/duration_text.h"
#include "coordinator/jobs/names.h"
#include "coordinator/jobs/queue.h"
#include "coordinator/views/recovery_messages.h"
#include "coordinator/views/views.h"

namespace still::coordinator {
namespace {

using nlohmann::json;
using stillhouse::v1::Job;

std::string StageText(stillhouse::v1::Stage stage) {
  std::string name = stillhouse::v1::Stage_Name(stage).substr(sizeof("STAGE_") - 1);
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  return name;
}

// Empty where there is none: events of hosts have no states.
std::string StateText(stillhouse::v1::JobState state) {
  return state == stillhouse::v1::JOB_STATE_UNSPECIFIED ? "" : StateName(state);
}

std::string CauseText(stillhouse::v1::Cause cause) {
  return cause == stillhouse::v1::CAUSE_UNSPECIFIED ? "" : CauseName(cause);
}

json RecoveryRow(const stillhouse::v1::JobRecovery& recovery) {
  return {{"at_ms", recovery.at_ms()}, {"cause", CauseText(recovery.cause())}, {"message", MessageOf(recovery)}};
}

// JSON has no NaN and no infinity.
json Number(std::optional<double> value) {
  return value.has_value() && std::isfinite(*value) ? json(*value) : json(nullptr);
}

json ValuesOf(const stillhouse::v1::Progress& progress) {
  json values = json::object();
  for (const auto& [name, value] : progress.values()) values[name] = Number(value);
  return values;
}

json ProgressOf(const LiveJob& live, bool running) {
  const auto& progress = *live.progress;
  const double left = static_cast<double>(progress.total()) - static_cast<double>(progress.done());
  const double rate = running ? live.units_per_second.value_or(0) : 0;
  return {{"done", progress.done()},
          {"total", progress.total()},
          {"unit", progress.unit()},
          {"tokens", progress.tokens()},
          {"tokens_per_second", running ? live.tokens_per_second.value_or(0) : 0.0},
          {"seconds_left", rate > 0 && left >= 0 ? json(left / rate) : json(nullptr)}};
}

json RankRows(const RowSources& from, const Job& job) {
  json rows = json::array();
  const LiveJob* live = from.live.Find(job.id());
  if (live == nullptr || live->attempt != job.attempt() || !HoldsSlots(job.state())) return rows;
  const auto stragglers = Stragglers(live->ranks);
  // Hosts go by the names of the inventory, "localhost" for one; a rank says what its machine calls itself.
  const bool one_host = job.placement_size() == 1;
  for (const auto& rank : live->ranks) {
    rows.push_back({{"rank", rank.rank()},
                    {"host", one_host ? job.placement(0).host() : rank.host()},
                    {"pid", rank.pid()},
                    {"phase", EnumWord(rank.phase())},
                    {"step", rank.step()},
                    {"phase_seconds", Number(rank.phase_seconds())},
                    {"straggling", std::find(stragglers.begin(), stragglers.end(), rank.rank()) != stragglers.end()}});
  }
  return rows;
}

json GoodputRow(const Goodput& goodput) {
  return {{"compute", Number(goodput.compute)},       {"data", Number(goodput.data)},
          {"reduce", Number(goodput.reduce)},         {"vote", Number(goodput.vote)},
          {"checkpoint", Number(goodput.checkpoint)}, {"recovery", Number(goodput.recovery)},
          {"queue", Number(goodput.queue)},           {"other", Number(goodput.other)}};
}

json CurvesOf(const LiveJob* live) {
  json steps = json::array();
  json losses = json::array();
  json rates = json::array();
  if (live != nullptr) {
    for (const Curve::Point& point : live->curve.points()) {
      steps.push_back(point.step);
      losses.push_back(Number(point.loss));
      rates.push_back(Number(point.tokens_per_second));
    }
  }
  return {{"step", std::move(steps)}, {"loss", std::move(losses)}, {"tokens_per_second", std::move(rates)}};
}

}  // namespace

json JobRow(const RowSources& from, const Job& job) {
  const auto& spec = job.spec();
  const LiveJob* live = from.live.Find(job.id());
  const auto wait = from.waits.find(job.id());
  const bool waits = wait != from.waits.end() && !IsTerminal(job.state()) && !HoldsSlots(job.state());
  json hosts = json::array();
  for (const auto& share : job.placement()) hosts.push_back(fmt::format("{}:{}", share.host(), share.ranks()));
  json row = {{"id", job.id()},
              {"name", spec.name()},
              {"pipeline", job.pipeline()},
              {"owner", spec.owner()},
              {"stage", StageText(spec.stage())},
              {"state", StateName(job.state())},
              {"flags", from.live.FlagsOf(job, from.now_ms)},
              {"cause", CauseText(job.cause())},
              {"message", MessageOf(job)},
              {"reason", ReasonLine(job, from.live, from.waits, from.now_ms)},
              {"position", waits ? wait->second.position : 0},
              {"predicted_start_ms", waits && wait->second.unlimited == 0 ? wait->second.predicted_start_ms : 0},
              {"priority", spec.priority()},
              {"ranks", RanksOf(job)},
              {"slots_per_rank", spec.slots_per_rank()},
              {"hosts", std::move(hosts)},
              {"attempt", job.attempt()},
              {"generation", std::max(job.generation(), live == nullptr ? 0 : live->generation)},
              {"failures", job.failures()},
              {"recoveries", job.recoveries()},
              {"last_recovery", RecoveryRow(job.last_recovery())},
              {"submitted_ms", job.submitted_ms()},
              {"since_ms", job.since_ms()},
              {"started_ms", job.started_ms()},
              {"ended_ms", job.ended_ms()},
              {"eligible_ms", job.eligible_ms()},
              {"time_limit_ms", spec.time_limit_ms()},
              {"values", json::object()}};
  if (live != nullptr && live->progress.has_value()) {
    row["progress"] = ProgressOf(*live, HoldsSlots(job.state()) && live->attempt == job.attempt());
    row["values"] = ValuesOf(*live->progress);
  }
  return row;
}

json TopRow(const RowSources& from, const Job& job) {
  json row = JobRow(from, job);
  row["rank_count"] = RanksOf(job);
  row["ranks"] = RankRows(from, job);
  row["goodput"] = GoodputRow(from.live.GoodputOf(job, from.now_ms));
  return row;
}

json JobDetail(const RowSources& from, const Job& job) {
  const auto& spec = job.spec();
  const LiveJob* live = from.live.Find(job.id());
  json row = TopRow(from, job);
  row["artifact"] = fmt::format("{}/{}/{}", spec.artifacts_root(), spec.kind(), spec.digest());
  row["artifacts_root"] = spec.artifacts_root();
  row["kind"] = spec.kind();
  row["digest"] = spec.digest();
  row["depends_on"] = std::vector<std::uint64_t>(spec.depends_on().begin(), spec.depends_on().end());
  row["reasons"] = ReasonRows(from, job);
  row["storage_trouble"] = live == nullptr ? "" : live->storage_trouble;
  row["curves"] = CurvesOf(live);
  return row;
}

json ReasonRows(const RowSources& from, const Job& job) {
  json rows = json::array();
  const auto wait = from.waits.find(job.id());
  if (wait != from.waits.end() && !HoldsSlots(job.state()) && !IsTerminal(job.state())) {
    for (const Reason& reason : wait->second.reasons) rows.push_back({{"code", ReasonName(reason.code)}, {"text", reason.text}});
  }
  const std::string line = ReasonLine(job, from.live, from.waits, from.now_ms);
  if (rows.empty() && !line.empty()) rows.push_back({{"code", StateName(job.state())}, {"text", line}});
  return rows;
}

json HostRows(const RowSources& from) {
  const auto in_use = SlotsInUse(from.state);
  std::map<std::string, json> jobs;
  for (const std::uint64_t id : from.state.live()) {
    const Job* job = from.state.FindJob(id);
    if (job == nullptr || !HoldsSlots(job->state())) continue;
    for (const auto& share : job->placement()) jobs[share.host()].push_back(id);
  }
  json rows = json::array();
  for (const auto& [name, host] : from.state.hosts()) {
    const auto used = in_use.find(name);
    const std::uint32_t slots_used = used == in_use.end() ? 0 : used->second;
    const std::string state = HostStateName(host, from.now_ms);
    std::string reason = host.drained() ? host.drain_reason() : "";
    if (state == "BLACKLISTED") {
      reason = fmt::format("lost {} times in a row; tried again in {}", host.failures(),
                           DurationText(host.blacklisted_until_ms() - from.now_ms));
    }
    const auto here = jobs.find(name);
    rows.push_back({{"name", name},
                    {"slots", host.slots()},
                    {"free", host.slots() - std::min(host.slots(), slots_used)},
                    {"state", state},
                    {"reason", reason},
                    {"jobs", here == jobs.end() ? json::array() : here->second},
                    {"failures", host.failures()}});
  }
  return rows;
}

json EventRow(const State& state, const stillhouse::v1::HistoryEvent& event) {
  const Job* job = state.FindJob(event.job());
  return {{"sequence", event.sequence()}, {"at_ms", event.at_ms()},
          {"job", event.job()},           {"name", job == nullptr ? "" : job->spec().name()},
          {"host", event.host()},         {"from", StateText(event.from())},
          {"to", StateText(event.to())},  {"cause", CauseText(event.cause())},
          {"actor", event.actor()},       {"message", MessageOf(event)}};
}

}  // namespace still::coordinator
