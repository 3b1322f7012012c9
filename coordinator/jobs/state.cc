#include "coordinator/jobs/state.h"

#include <algorithm>

namespace still::coordinator {

using v1::Host;
using v1::Job;
using v1::Pipeline;

namespace {

template <typename Key, typename Record>
void SaveRecord(const std::map<Key, Record>& records, const Key& key, std::map<Key, std::optional<Record>>* saved) {
  const auto [place, first] = saved->try_emplace(key);
  const auto known = records.find(key);
  if (first && known != records.end()) place->second = known->second;
}

template <typename Key, typename Record>
void RestoreRecords(const std::map<Key, std::optional<Record>>& saved, std::map<Key, Record>* records) {
  for (const auto& [key, record] : saved) {
    if (record) {
      (*records)[key] = *record;
    } else {
      records->erase(key);
    }
  }
}

}  // namespace

std::uint32_t RanksOf(const Job& job) {
  if (IsQueued(job.state())) return job.spec().ranks();
  if (job.attached_ranks() > 0) return job.attached_ranks();
  std::uint32_t placed = 0;
  for (const auto& share : job.placement()) placed += share.ranks();
  return placed > 0 ? placed : job.spec().ranks();
}

ArtifactKey ArtifactOf(const Job& job) {
  return {job.spec().artifacts_root(), job.spec().stage(), job.spec().digest()};
}

void ClearAgentFields(Job* job) {
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
  for (const v1::HistoryEvent& event : changes.events) next_.sequence = std::max(next_.sequence, event.sequence() + 1);
}

void State::Save(const Changes& changes, UndoLog* undo_log) const {
  if (!undo_log->next) undo_log->next = next_;
  for (const Job& job : changes.jobs) SaveRecord(jobs_, job.id(), &undo_log->jobs);
  for (const Pipeline& pipeline : changes.pipelines) SaveRecord(pipelines_, pipeline.id(), &undo_log->pipelines);
  for (const Host& host : changes.hosts) SaveRecord(hosts_, host.name(), &undo_log->hosts);
  for (const std::string& host : changes.removed_hosts) SaveRecord(hosts_, host, &undo_log->hosts);
}

void State::Rollback(const UndoLog& undo_log) {
  for (const auto& [id, pipeline] : undo_log.pipelines) by_request_.erase(pipelines_.at(id).request());
  RestoreRecords(undo_log.jobs, &jobs_);
  RestoreRecords(undo_log.pipelines, &pipelines_);
  RestoreRecords(undo_log.hosts, &hosts_);
  for (const auto& [id, job] : undo_log.jobs) {
    if (job) {
      Index(jobs_.at(id));
    } else {
      live_.erase(id);
    }
  }
  for (const auto& [id, pipeline] : undo_log.pipelines) {
    if (pipeline && !pipelines_.at(id).request().empty()) by_request_[pipelines_.at(id).request()] = id;
  }
  if (undo_log.next) next_ = *undo_log.next;
}

std::map<std::string, std::uint64_t> UsedSlots(const State& state) {
  std::map<std::string, std::uint64_t> used;
  for (const std::uint64_t id : state.live()) {
    const Job& job = *state.FindJob(id);
    if (!HoldsSlots(job.state())) continue;
    for (const auto& share : job.placement())
      used[share.host()] += std::uint64_t{share.ranks()} * job.spec().slots_per_rank();
  }
  return used;
}

}  // namespace still::coordinator
