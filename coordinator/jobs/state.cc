#include "coordinator/jobs/state.h"

#include <algorithm>

namespace still::coordinator {

using stillhouse::v1::Host;
using stillhouse::v1::Job;
using stillhouse::v1::JobState;
using stillhouse::v1::Pipeline;

namespace {

template <typename Key, typename Record>
void KeepRecord(const std::map<Key, Record>& records, const Key& key, std::map<Key, std::optional<Record>>* replaced) {
  const auto [kept, first] = replaced->try_emplace(key);
  const auto known = records.find(key);
  if (first && known != records.end()) kept->second = known->second;
}

template <typename Key, typename Record>
void PutBack(std::map<Key, std::optional<Record>>* replaced, std::map<Key, Record>* records) {
  for (auto& [key, record] : *replaced) {
    if (record) {
      (*records)[key] = *record;
    } else {
      records->erase(key);
    }
  }
}

}  // namespace

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

void State::Index(const Job& job) {
  if (IsTerminal(job.state())) {
    live_.erase(job.id());
  } else {
    live_.insert(job.id());
  }
}

void State::Apply(const Changes& changes) {
  for (const Job& job : changes.jobs) {
    jobs_[job.id()] = job;
    Index(job);
    next_.job = std::max(next_.job, job.id() + 1);
  }
  for (const Pipeline& pipeline : changes.pipelines) {
    pipelines_[pipeline.id()] = pipeline;
    if (!pipeline.request().empty()) by_request_[pipeline.request()] = pipeline.id();
    next_.pipeline = std::max(next_.pipeline, pipeline.id() + 1);
  }
  for (const Host& host : changes.hosts) hosts_[host.name()] = host;
  for (const std::string& host : changes.removed_hosts) hosts_.erase(host);
  for (const stillhouse::v1::HistoryEvent& event : changes.events)
    next_.sequence = std::max(next_.sequence, event.sequence() + 1);
}

void State::Keep(const Changes& changes, Replaced* replaced) const {
  if (!replaced->next) replaced->next = next_;
  for (const Job& job : changes.jobs) KeepRecord(jobs_, job.id(), &replaced->jobs);
  for (const Pipeline& pipeline : changes.pipelines) KeepRecord(pipelines_, pipeline.id(), &replaced->pipelines);
  for (const Host& host : changes.hosts) KeepRecord(hosts_, host.name(), &replaced->hosts);
  for (const std::string& host : changes.removed_hosts) KeepRecord(hosts_, host, &replaced->hosts);
}

void State::TakeBack(Replaced replaced) {
  for (const auto& [id, pipeline] : replaced.pipelines) by_request_.erase(pipelines_.at(id).request());
  PutBack(&replaced.jobs, &jobs_);
  PutBack(&replaced.pipelines, &pipelines_);
  PutBack(&replaced.hosts, &hosts_);
  for (const auto& [id, job] : replaced.jobs) {
    if (job) {
      Index(jobs_.at(id));
    } else {
      live_.erase(id);
    }
  }
  for (const auto& [id, pipeline] : replaced.pipelines) {
    if (pipeline && !pipelines_.at(id).request().empty()) by_request_[pipelines_.at(id).request()] = id;
  }
  if (replaced.next) next_ = *replaced.next;
}

}  // namespace still::coordinator
