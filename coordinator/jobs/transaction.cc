#include "coordinator/jobs/transaction.h"

#include <fmt/format.h>

#include "common/check.h"
#include "coordinator/jobs/transitions.h"

namespace still::coordinator {

using v1::Cause;
using v1::HistoryEvent;
using v1::Host;
using v1::Job;
using v1::JobState;

const Job& Transaction::job(std::uint64_t id) const {
  if (const auto changed = jobs_.find(id); changed != jobs_.end()) return changed->second;
  const Job* const job = state_.FindJob(id);
  STILL_CHECK(job != nullptr, fmt::format("job {} exists", id));
  return *job;
}

Job& Transaction::Edit(std::uint64_t id) { return jobs_.try_emplace(id, job(id)).first->second; }

Host& Transaction::EditHost(const std::string& name) {
  const auto changed = hosts_.find(name);
  if (changed != hosts_.end()) return changed->second;
  const auto known = state_.hosts().find(name);
  Host& host = hosts_[name];
  if (known != state_.hosts().end()) host = known->second;
  host.set_name(name);
  return host;
}

void Transaction::Add(Job job, std::string_view actor) {
  changes_.specs[job.id()] = job.spec();
  STILL_CHECK(MayMove(v1::JOB_STATE_UNSPECIFIED, job.state()), "a new job is held or waits");
  ClearAgentFields(&job);
  job.set_submitted_ms(now_);
  job.set_since_ms(now_);
  HistoryEvent& event = NewJobEvent(job, actor, fmt::format("pipeline {}", job.pipeline()));
  event.set_to(job.state());
  event.set_cause(job.cause());
  const std::uint64_t id = job.id();
  jobs_[id] = std::move(job);
}

void Transaction::Add(v1::Pipeline pipeline) {
  pipeline.set_submitted_ms(now_);
  changes_.pipelines.push_back(std::move(pipeline));
}

void Transaction::Remove(const std::string& host) { changes_.removed_hosts.push_back(host); }

Job& Transaction::Move(std::uint64_t id, JobState from, JobState to, Cause cause, std::string_view actor,
                       std::string message) {
  Job& job = Edit(id);
  STILL_CHECK(job.state() == from, fmt::format("job {} moves from the state that the caller saw", id));
  STILL_CHECK(MayMove(from, to),
              fmt::format("job {} may not move from {} to {}", id, v1::JobState_Name(from), v1::JobState_Name(to)));
  HistoryEvent& event = NewJobEvent(job, actor, message);
  event.set_from(from);
  event.set_to(to);
  event.set_cause(cause);
  job.set_state(to);
  job.set_cause(cause);
  job.set_message(std::move(message));
  job.set_since_ms(now_);
  job.set_ended_ms(IsTerminal(to) ? now_ : 0);
  if (to != v1::JOB_COMPLETING) {
    job.clear_after();
    job.clear_kill();
  }
  return job;
}

void Transaction::Record(std::uint64_t id, Cause cause, std::string_view actor, std::string message) {
  HistoryEvent& event = NewJobEvent(Edit(id), actor, std::move(message));
  event.set_from(job(id).state());
  event.set_to(job(id).state());
  event.set_cause(cause);
}

void Transaction::RecordCoordinator(std::string message) {
  NewEvent("coordinator", std::move(message)).set_cause(v1::CAUSE_COORDINATOR_RESTART);
}

void Transaction::RecordHost(const std::string& host, std::string_view actor, std::string message) {
  NewEvent(actor, std::move(message)).set_host(host);
}

void Transaction::AttachRecoveries(std::span<const v1::Recovery> recoveries) {
  STILL_CHECK(!changes_.events.empty(), "there is a line to add recoveries to");
  changes_.events.back().mutable_recoveries()->Add(recoveries.begin(), recoveries.end());
}

Changes Transaction::TakeChanges() && {
  for (auto& [id, job] : jobs_) changes_.jobs.push_back(std::move(job));
  for (auto& [name, host] : hosts_) changes_.hosts.push_back(std::move(host));
  return std::move(changes_);
}

HistoryEvent& Transaction::NewJobEvent(Job& job, std::string_view actor, std::string message) {
  HistoryEvent& event = NewEvent(actor, std::move(message));
  event.set_job(job.id());
  event.set_previous(job.last_event());
  job.set_last_event(event.sequence());
  return event;
}

HistoryEvent& Transaction::NewEvent(std::string_view actor, std::string message) {
  HistoryEvent& event = changes_.events.emplace_back();
  event.set_sequence(next_sequence_++);
  event.set_at_ms(now_);
  event.set_actor(std::string(actor));
  event.set_message(std::move(message));
  return event;
}

}  // namespace still::coordinator
