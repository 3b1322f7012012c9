#include "coordinator/core/state.h"

#include <algorithm>

namespace still::coordinator {

using stillhouse::v1::Host;
using stillhouse::v1::Job;
using stillhouse::v1::JobState;
using stillhouse::v1::Pipeline;

bool IsTerminal(JobState state) {
  return state == stillhouse::v1::JOB_SUCCEEDED || state == stillhouse::v1::JOB_FAILED ||
         state == stillhouse::v1::JOB_CANCELLED || state == stillhouse::v1::JOB_TIMEOUT;
}

bool IsWaiting(JobState state) {
  return state == stillhouse::v1::JOB_PENDING || state == stillhouse::v1::JOB_RECOVERING;
}

bool HoldsSlots(JobState state) {
  return state == stillhouse::v1::JOB_STARTING || state == stillhouse::v1::JOB_RUNNING ||
         state == stillhouse::v1::JOB_PREEMPTING || state == stillhouse::v1::JOB_COMPLETING;
}

std::uint32_t RanksOf(const Job& job) {
  if (!HoldsSlots(job.state()) && !IsTerminal(job.state())) return job.spec().ranks();
  if (job.attached_ranks() > 0) return job.attached_ranks();
  std::uint32_t placed = 0;
  for (const auto& share : job.placement()) placed += share.ranks();
  return placed > 0 ? placed : job.spec().ranks();
}

ArtifactKey ArtifactOf(const Job& job) { return {job.spec().artifacts_root(), job.spec().kind(), job.spec().digest()}; }

void LeaveToAgents(Job* job) {
  job->mutable_spec()->clear_config();
  job->mutable_spec()->clear_identity();
  job->mutable_spec()->clear_inputs();
}

const Job* State::FindJob(std::uint64_t id) const {
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? nullptr : &found->second;
}

const Pipeline* State::FindRequest(const std::string& request) const {
  const auto found = by_request_.find(request);
  return found == by_request_.end() ? nullptr : &pipelines_.at(found->second);
}

void State::Apply(const Changes& changes) {
  for (const Job& job : changes.jobs) {
    jobs_[job.id()] = job;
    if (IsTerminal(job.state())) {
      live_.erase(job.id());
    } else {
      live_.insert(job.id());
    }
    next_job_ = std::max(next_job_, job.id() + 1);
  }
  for (const Pipeline& pipeline : changes.pipelines) {
    pipelines_[pipeline.id()] = pipeline;
    if (!pipeline.request().empty()) by_request_[pipeline.request()] = pipeline.id();
    next_pipeline_ = std::max(next_pipeline_, pipeline.id() + 1);
  }
  for (const Host& host : changes.hosts) hosts_[host.name()] = host;
  for (const std::string& host : changes.removed_hosts) hosts_.erase(host);
  for (const stillhouse::v1::HistoryEvent& event : changes.events)
    next_sequence_ = std::max(next_sequence_, event.sequence() + 1);
}

}  // namespace still::coordinator
