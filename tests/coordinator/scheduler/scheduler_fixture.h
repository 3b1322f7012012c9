// Short ways to write down a cluster, a queue and the scheduler's decisions about them.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "common/enum_words.h"
#include "coordinator/scheduler/scheduler.h"

namespace still::coordinator {

inline constexpr UnixMs kNow = 1'800'000'000'000;
inline constexpr std::int64_t kMinute = 60'000;
inline constexpr std::int64_t kHour = 60 * kMinute;

struct Cluster {
  std::vector<cluster::HostSlots> hosts;
  std::vector<QueuedJob> queued;
  std::vector<RunningJob> running;
  SchedulerOptions options{.ageing_ms_per_point = kHour};

  Cluster& Host(const std::string& name, std::uint32_t slots) {
    hosts.push_back({.name = name, .slots = slots, .open = true, .closed_because = ""});
    return *this;
  }
  Cluster& Closed(const std::string& name, std::uint32_t slots, const std::string& because) {
    hosts.push_back({.name = name, .slots = slots, .open = false, .closed_because = because});
    return *this;
  }
  // Adds a waiting job. Jobs with lower ids were submitted earlier.
  QueuedJob& Queue(std::uint64_t id, std::uint32_t ranks, std::int64_t duration_ms, std::int32_t priority = 0) {
    queued.push_back({.id = id,
                      .priority = priority,
                      .submitted_ms = kNow - kMinute + static_cast<UnixMs>(id),
                      .gang = {.ranks = ranks, .slots_per_rank = 1},
                      .duration_ms = duration_ms});
    return queued.back();
  }
  // Adds a running job that was submitted and started a minute ago, and ends in `left_ms`.
  RunningJob& Run(std::uint64_t id, cluster::Placement placement, std::int64_t left_ms, std::int32_t priority = 0) {
    RunningJob job{.id = id,
                   .priority = priority,
                   .submitted_ms = kNow - kMinute,
                   .started_ms = kNow - kMinute,
                   .duration_ms = left_ms + kMinute,
                   .gang = {.ranks = 0, .slots_per_rank = 1},
                   .placement = std::move(placement),
                   .preemptible = true};
    for (const cluster::HostShare& share : job.placement) job.gang.ranks += share.ranks;
    running.push_back(std::move(job));
    return running.back();
  }
  SchedulerOutput Decide(UnixMs now = kNow) const {
    return Schedule({.now_ms = now, .hosts = &hosts, .queued = queued, .running = running, .options = options});
  }
  // Returns the cluster after the decisions were carried out: starts run, and victims leave.
  Cluster After(const SchedulerOutput& output) const {
    Cluster after = *this;
    for (const Start& start : output.starts) {
      const auto job = std::ranges::find(after.queued, start.id, &QueuedJob::id);
      after.running.push_back({.id = job->id,
                               .priority = job->priority,
                               .submitted_ms = job->submitted_ms,
                               .started_ms = kNow,
                               .duration_ms = job->duration_ms,
                               .gang = job->gang,
                               .placement = start.placement});
      after.queued.erase(job);
    }
    for (const Preemption& preemption : output.preemptions)
      std::ranges::find(after.running, preemption.victim, &RunningJob::id)->leaving = true;
    return after;
  }
};

inline std::vector<std::uint64_t> Started(const SchedulerOutput& output) {
  std::vector<std::uint64_t> ids;
  for (const Start& start : output.starts) ids.push_back(start.id);
  return ids;
}

// Returns "7 for 12": victim and beneficiary.
inline std::vector<std::string> Preempted(const SchedulerOutput& output) {
  std::vector<std::string> shown;
  for (const Preemption& preemption : output.preemptions)
    shown.push_back(std::to_string(preemption.victim) + " for " + std::to_string(preemption.beneficiary));
  return shown;
}

// Returns "CODE: text" for each reason.
inline std::vector<std::string> Reasons(const SchedulerOutput& output, std::uint64_t id) {
  std::vector<std::string> shown;
  const auto wait = output.waits.find(id);
  if (wait == output.waits.end()) return {"job " + std::to_string(id) + " does not wait"};
  for (const Reason& reason : wait->second.reasons) shown.push_back(EnumWord(reason.code) + ": " + reason.text);
  return shown;
}

// Returns the time until the predicted start, or -1 without a prediction.
inline std::int64_t PredictedIn(const SchedulerOutput& output, std::uint64_t id) {
  const auto wait = output.waits.find(id);
  return wait == output.waits.end() || wait->second.predicted_start_ms == 0 ? -1
                                                                            : wait->second.predicted_start_ms - kNow;
}

}  // namespace still::coordinator
