#include "coordinator/views/live_jobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "coordinator/jobs/decisions.h"
#include "coordinator/jobs/state.h"
#include "coordinator/views/stragglers.h"

namespace still::coordinator {
namespace {

constexpr std::int64_t kBurstMs = 250;  // the first reports, when closer together than this, had waited in a queue

// Updates the rates. They never span two launches, because each launch counts tokens from 0.
void UpdateRates(LiveJob* live, const v1::AgentReport& report, UnixMs now) {
  auto& samples = live->samples;
  const auto& progress = report.progress();
  const bool new_launch = !samples.empty() && (progress.tokens() < samples.back().tokens ||
                                               progress.done() < samples.back().done || now < samples.back().at_ms);
  if (new_launch) samples.clear();
  const LiveJob::Sample sample = {now, progress.tokens(), progress.done()};
  if (samples.size() == 1 && now - samples.front().at_ms < kBurstMs) {
    samples.front() = {samples.front().at_ms, sample.tokens, sample.done};
    return;
  }
  samples.push_back(sample);
  while (samples.size() > 2 && samples[1].at_ms <= now - LiveJobs::kRateWindowMs) samples.pop_front();
  const auto& first = samples.front();
  const double seconds = static_cast<double>(now - first.at_ms) / 1000.0;
  if (seconds < 0.5) {
    if (new_launch) live->tokens_per_second = live->units_per_second = std::nullopt;
    return;
  }
  live->tokens_per_second = static_cast<double>(progress.tokens() - first.tokens) / seconds;
  live->units_per_second = static_cast<double>(progress.done() - first.done) / seconds;
}

}  // namespace

void Curve::Add(Point point) {
  while (!kept_.empty() && kept_.back().step >= point.step) kept_.pop_back();
  newest_.reset();
  if (offered_++ % stride_ != 0) {
    newest_ = point;
    return;
  }
  kept_.push_back(point);
  if (kept_.size() < kPoints) return;
  for (std::size_t i = 0; 2 * i < kept_.size(); ++i) kept_[i] = kept_[2 * i];
  kept_.resize((kept_.size() + 1) / 2);
  stride_ *= 2;
  if (kept_.back().step != point.step) newest_ = point;
}

std::vector<Curve::Point> Curve::points() const {
  std::vector<Point> points = kept_;
  if (newest_.has_value()) points.push_back(*newest_);
  return points;
}

void LiveJobs::OnReport(const v1::AgentReport& report, UnixMs now) {
  LiveJob& live = jobs_[report.job()];
  if (report.attempt() < live.attempt) return;
  if (report.attempt() > live.attempt) {
    live.heard_from_the_first =
        report.attempt() == 1 || (live.heard_from_the_first && report.attempt() == live.attempt + 1);
    for (const auto& [phase, seconds] : live.phase_seconds) live.earlier_phase_seconds[phase] += seconds;
    live.phase_seconds.clear();
    live.ranks.clear();
    live.samples.clear();
    live.tokens_per_second = live.units_per_second = std::nullopt;
    live.attempt = report.attempt();
    live.sequence = 0;
    std::erase(ended_, report.job());  // the job was queued again
  }
  live.heard_ms = now;
  live.restarted_ms = 0;
  if (report.sequence() <= live.sequence) return;
  live.sequence = report.sequence();
  live.generation = report.generation();
  live.running = report.running();
  live.storage_trouble = report.storage_trouble();
  live.ranks.assign(report.ranks().begin(), report.ranks().end());
  live.phase_seconds.clear();
  for (const v1::PhaseSeconds& time : report.phase_seconds()) live.phase_seconds[time.phase()] = time.seconds();
  for (const v1::Recovery& recovery : UnreportedRecoveries(report, live.last_recovery)) {
    ++live.recoveries[recovery.death().cause()];
    live.last_recovery = recovery.generation();
  }
  if (!report.has_progress()) return;
  const bool further = !live.progress.has_value() || live.progress->done() != report.progress().done();
  live.progress = report.progress();
  UpdateRates(&live, report, now);
  if (!further) return;
  Curve::Point point{.step = report.progress().done(), .tokens_per_second = live.tokens_per_second};
  const auto loss = report.progress().values().find("loss");
  if (loss != report.progress().values().end()) point.loss = loss->second;
  live.curve.Add(point);
}

void LiveJobs::Restarted(const std::vector<std::uint64_t>& jobs, UnixMs now) {
  for (const std::uint64_t job : jobs) {
    LiveJob& live = jobs_[job];
    if (live.attempt == 0) live.restarted_ms = now;
  }
}

void LiveJobs::Ended(std::uint64_t job) {
  if (!jobs_.contains(job) || std::find(ended_.begin(), ended_.end(), job) != ended_.end()) return;
  ended_.push_back(job);
  while (ended_.size() > kEndedKept) {
    jobs_.erase(ended_.front());
    ended_.pop_front();
  }
}

const LiveJob* LiveJobs::Find(std::uint64_t job) const {
  const auto at = jobs_.find(job);
  return at == jobs_.end() ? nullptr : &at->second;
}

const LiveJob* LiveJobs::FindRunning(const v1::Job& job) const {
  const LiveJob* live = Find(job.id());
  return live != nullptr && live->attempt == job.attempt() && HoldsSlots(job.state()) ? live : nullptr;
}

std::optional<std::int64_t> LiveJobs::LeftMs(std::uint64_t job) const {
  const LiveJob* const live = Find(job);
  if (live == nullptr || !live->progress || !live->units_per_second || *live->units_per_second <= 0)
    return std::nullopt;
  const double left = static_cast<double>(live->progress->total()) - static_cast<double>(live->progress->done());
  return static_cast<std::int64_t>(1000 * std::max(0.0, left) / *live->units_per_second);
}

std::int64_t LiveJobs::SilenceMs(const v1::Job& job, UnixMs now) const {
  const LiveJob* live = Find(job.id());
  // The silence of a new agent counts from its start, and that of an adopted agent from the restart. Times recorded
  // before a restart do not count, because the wall clock may have been set since.
  UnixMs since = job.started_ms();
  if (live != nullptr && live->restarted_ms != 0) {
    since = live->restarted_ms;
  } else if (live != nullptr && live->attempt == job.attempt()) {
    since = std::max(since, live->heard_ms);
  }
  return std::max<std::int64_t>(0, now - since);
}

std::vector<v1::JobFlag> LiveJobs::FlagsOf(const v1::Job& job, UnixMs now) const {
  std::vector<v1::JobFlag> flags;
  if (IsTerminal(job.state())) return flags;
  if (HoldsSlots(job.state())) {
    const LiveJob* known = Find(job.id());
    if (known != nullptr && known->restarted_ms != 0) flags.push_back(v1::JOB_FLAG_RECONCILING);
    if (SilenceMs(job, now) > kSilenceMs) flags.push_back(v1::JOB_FLAG_UNREACHABLE);
    const LiveJob* live = FindRunning(job);
    if (live != nullptr && !Stragglers(live->ranks).empty()) flags.push_back(v1::JOB_FLAG_STRAGGLING);
    if (live != nullptr && !live->storage_trouble.empty()) {
      flags.push_back(v1::JOB_FLAG_DEGRADED_STORAGE);
      return flags;
    }
  }
  if (!storage_trouble_.empty()) flags.push_back(v1::JOB_FLAG_DEGRADED_STORAGE);
  return flags;
}

}  // namespace still::coordinator
