#include "tests/sim/record_checker.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "common/enum_words.h"
#include "coordinator/jobs/names.h"

namespace still::sim {

using coordinator::Changes;
using coordinator::HoldsSlots;
using coordinator::IsTerminal;
using coordinator::State;
using v1::HistoryEvent;
using v1::Host;
using v1::Job;

void RecordChecker::Committed(const Changes& changes, UnixMs now) {
  for (const HistoryEvent& event : changes.events) CheckEvent(event);
  // Books the freed slots before the taken ones.
  for (const Job& job : changes.jobs) {
    const Job* const before = state_.FindJob(job.id());
    if (before == nullptr) {
      CheckNew(job);
    } else {
      Book(*before, false);
    }
  }
  for (const Job& job : changes.jobs) {
    const Job* const before = state_.FindJob(job.id());
    if (before != nullptr) CheckJob(*before, job, now);
    Book(job, true);
    if (before != nullptr && !HoldsSlots(before->state())) CheckBooks(job);
    if (told_[job.id()] != job.state()) Broken(job, fmt::format("is {} in the history", EnumWord(told_[job.id()])));
  }
  state_.Apply(changes);
}

void RecordChecker::CheckNew(const Job& job) {
  if (job.id() < state_.next_job()) Broken(job, "has the id of a job that was forgotten");
  if (job.attempt() != 0 || HoldsSlots(job.state())) Broken(job, "runs before it is on record");
}

void RecordChecker::CheckJob(const Job& before, const Job& after, UnixMs now) {
  if (after.attempt() < before.attempt()) Broken(after, fmt::format("fell back from attempt {}", before.attempt()));
  if (after.generation() < before.generation())
    Broken(after, fmt::format("fell back from generation {} to {}", before.generation(), after.generation()));
  if (after.step() < before.step()) Broken(after, "lost a step it had reached");
  const bool requeued = after.state() == v1::JOB_PENDING && after.cause() == v1::CAUSE_USER;
  if (IsTerminal(before.state()) && after.state() != before.state() &&
      (!requeued || before.state() == v1::JOB_SUCCEEDED))
    Broken(after, fmt::format("had ended ({})", EnumWord(before.state())));
  if (!HoldsSlots(before.state()) && HoldsSlots(after.state())) {
    CheckStart(before, after, now);
  } else if (after.attempt() != before.attempt()) {
    Broken(after, "has a new attempt beside the one that runs");
  }
  if (HoldsSlots(before.state()) && !HoldsSlots(after.state()) &&
      machines_->HasProcesses({before.id(), before.attempt()}))
    Broken(after, fmt::format("gave up the slots of attempt {}, whose processes still run", before.attempt()));
}

void RecordChecker::CheckStart(const Job& before, const Job& after, UnixMs now) {
  if (after.state() != v1::JOB_STARTING) Broken(after, "runs without having started");
  if (after.attempt() != before.attempt() + 1)
    Broken(after, fmt::format("starts as attempt {} after attempt {}", after.attempt(), before.attempt()));
  if (before.state() != v1::JOB_PENDING && before.state() != v1::JOB_RECOVERING)
    Broken(after, fmt::format("starts out of {}", EnumWord(before.state())));
  if (before.eligible_ms() > now && !after.attached()) Broken(after, "starts before its pause is over");
  for (const std::uint64_t id : after.spec().depends_on()) {
    const Job* const dependency = state_.FindJob(id);
    if (dependency == nullptr || dependency->state() != v1::JOB_SUCCEEDED)
      Broken(after, fmt::format("starts before job {} has made what it needs", id));
  }
  if (after.attached()) return;
  if (!probe_(after.spec()).known()) Broken(after, "starts although nobody can say whether its artifact exists");
  std::uint64_t ranks = 0;
  for (const auto& share : after.placement()) {
    ranks += share.ranks();
    const auto host = state_.hosts().find(share.host());
    if (host == state_.hosts().end()) return Broken(after, fmt::format("starts on {}, which is no host", share.host()));
    if (host->second.drained() || host->second.blacklisted_until_ms() > now)
      Broken(after, fmt::format("starts on {}, which takes nothing new", share.host()));
  }
  // After the loss of a host a gang may continue with fewer ranks. All of those that are placed are run.
  const bool smaller = before.cause() == v1::CAUSE_HOST_LOST && ranks > 0 && ranks < after.spec().ranks();
  if (ranks != after.spec().ranks() && !smaller)
    Broken(after, fmt::format("has {} of the {} ranks of its gang", ranks, after.spec().ranks()));
}

void RecordChecker::CheckEvent(const HistoryEvent& event) {
  if (event.sequence() != next_sequence_)
    verdict_->Broken(fmt::format("line {} of the history comes where {} should", event.sequence(), next_sequence_));
  ++next_sequence_;
  ++causes_[event.cause()];
  if (event.job() == 0) return;
  const auto told = told_.find(event.job());
  const auto from = told == told_.end() ? v1::JOB_STATE_UNSPECIFIED : told->second;
  if (event.from() != from)
    verdict_->Broken(fmt::format("the history has job {} leave {} when it was {}", event.job(), EnumWord(event.from()),
                                 EnumWord(from)));
  if (event.actor().empty()) verdict_->Broken(fmt::format("line {} of the history has no actor", event.sequence()));
  told_[event.job()] = event.to();
}

void RecordChecker::Book(const Job& job, bool add) {
  if (!HoldsSlots(job.state())) return;
  if (!add) {
    const auto maker = makers_.find(job.spec().digest());
    if (maker != makers_.end() && maker->second == job.id()) makers_.erase(maker);
  } else if (const auto [maker, alone] = makers_.try_emplace(job.spec().digest(), job.id());
             !alone && maker->second != job.id()) {
    Broken(job, fmt::format("makes what job {} makes", maker->second));
  }
  for (const auto& share : job.placement()) {
    const std::uint64_t slots = std::uint64_t{share.ranks()} * job.spec().slots_per_rank();
    std::uint64_t& used = used_[share.host()];
    used = add ? used + slots : used - slots;
  }
}

// The inventory may take slots away from under a running job. The scheduler never gives out slots that are in use.
void RecordChecker::CheckBooks(const Job& job) {
  if (!HoldsSlots(job.state())) return;
  for (const auto& share : job.placement()) {
    const auto host = state_.hosts().find(share.host());
    if (host != state_.hosts().end() && used_[share.host()] > host->second.slots())
      Broken(job,
             fmt::format("double-books {}: {} of {} slots", share.host(), used_[share.host()], host->second.slots()));
  }
}

void RecordChecker::Acknowledged(const std::string& key, std::uint64_t pipeline,
                                 const std::vector<std::uint64_t>& jobs) {
  const auto [known, added] = acknowledged_pipelines_.try_emplace(key, pipeline);
  if (!added && known->second != pipeline)
    verdict_->Broken(fmt::format("submission {} is pipeline {} and {}", key, known->second, pipeline));
  acknowledged_[key] = jobs;
  if (added) CheckAcknowledged(state_);
}

void RecordChecker::CheckAcknowledged(const State& state) {
  for (const auto& [key, jobs] : acknowledged_) {
    const auto* const pipeline = state.FindRequest(key);
    if (pipeline == nullptr || pipeline->id() != acknowledged_pipelines_.at(key))
      verdict_->Broken(fmt::format("submission {} was acknowledged and is lost", key));
    for (const std::uint64_t id : jobs)
      if (state.FindJob(id) == nullptr) verdict_->Broken(fmt::format("job {} was acknowledged and is lost", id));
  }
}

void RecordChecker::Recovered(const State& state) {
  CheckAcknowledged(state);
  if (state.jobs().size() != state_.jobs().size() || state.pipelines().size() != state_.pipelines().size() ||
      state.hosts().size() != state_.hosts().size() || state.live() != state_.live())
    verdict_->Broken("a restart found other records than were committed");
  for (const auto& [id, job] : state_.jobs()) {
    const Job* const found = state.FindJob(id);
    if (found == nullptr || found->SerializeAsString() != job.SerializeAsString())
      Broken(job, fmt::format("is another after a restart: {}", found == nullptr ? "gone" : found->ShortDebugString()));
  }
  if (state.next_job() != state_.next_job() || state.next_pipeline() != state_.next_pipeline() ||
      state.next_sequence() != state_.next_sequence())
    verdict_->Broken("a restart goes on with numbers that were used");
}

void RecordChecker::HasInventory(const std::vector<Host>& hosts) {
  for (const Host& host : hosts) {
    const auto known = state_.hosts().find(host.name());
    if (known == state_.hosts().end() || known->second.slots() != host.slots()) {
      verdict_->Broken(
          fmt::format("host {} is in the inventory with {} slots and not so on record", host.name(), host.slots()));
    } else if (known->second.drained() && !known->second.drain_reason().starts_with("drained by")) {
      verdict_->Broken(fmt::format("host {} is back in the inventory, and drained by nobody: {}", host.name(),
                                   known->second.drain_reason()));
    }
  }
}

void RecordChecker::Settled(UnixMs now) {
  const auto waits = decisions_->Waits(state_, now, {}, probe_);
  std::set<std::uint32_t> positions;
  for (const std::uint64_t id : state_.live()) {
    const Job& job = *state_.FindJob(id);
    if (HoldsSlots(job.state())) {
      if (job.state() == v1::JOB_RUNNING && job.spec().time_limit_ms() > 0 &&
          now - job.started_ms() >= job.spec().time_limit_ms())
        Broken(job, "runs on behind its time limit");
      continue;
    }
    const auto wait = waits.find(id);
    if (wait == waits.end() || wait->second.reasons.empty()) {
      Broken(job, "waits without a reason");
      continue;
    }
    if (wait->second.position != 0 && !positions.insert(wait->second.position).second)
      Broken(job, fmt::format("shares place {} in the queue", wait->second.position));
    CheckWait(job, wait->second, now);
  }
}

void RecordChecker::CheckWait(const Job& job, const coordinator::Wait& wait, UnixMs now) {
  for (const auto& reason : wait.reasons)
    if (reason.code == v1::WAIT_REASON_UNSPECIFIED || reason.text.empty())
      Broken(job, "waits for a reason without words");
  if (wait.predicted_start_ms != 0 && wait.predicted_start_ms < now) Broken(job, "is predicted to start in the past");
  if (wait.position == 1 && HasRoom(job, now)) Broken(job, "is the first in the queue, has room, and does not start");
  if (job.state() == v1::JOB_HELD) return;
  for (const std::uint64_t id : job.spec().depends_on()) {
    const Job* const dependency = state_.FindJob(id);
    if (dependency == nullptr || (IsTerminal(dependency->state()) && dependency->state() != v1::JOB_SUCCEEDED))
      Broken(job, fmt::format("waits for job {}, which makes nothing any more", id));
  }
}

// Does not use the scheduler's arithmetic.
bool RecordChecker::HasRoom(const Job& job, UnixMs now) const {
  std::uint64_t ranks = 0;
  for (const auto& [name, host] : state_.hosts()) {
    if (host.drained() || host.blacklisted_until_ms() > now) continue;
    const auto used = used_.find(name);
    const std::uint64_t taken = used == used_.end() ? 0 : used->second;
    if (taken < host.slots()) ranks += (host.slots() - taken) / job.spec().slots_per_rank();
  }
  return ranks >= job.spec().ranks();
}

void RecordChecker::Obeyed(const v1::ChangeJobs& change, const std::vector<std::uint64_t>& jobs) {
  for (const std::uint64_t id : jobs) {
    const Job& job = *state_.FindJob(id);
    const bool ends = job.state() == v1::JOB_COMPLETING;
    if (change.verb() == v1::JOB_VERB_CANCEL && job.state() != v1::JOB_CANCELLED &&
        !(ends && job.after() == v1::JOB_CANCELLED))
      Broken(job, "was cancelled, its owner was told");
    if (change.verb() == v1::JOB_VERB_HOLD && job.state() != v1::JOB_HELD && !(ends && job.after() == v1::JOB_HELD))
      Broken(job, "was held, its owner was told");
  }
}

double RecordChecker::RankOf(const Job& job, UnixMs now) const {
  const double waited = static_cast<double>(now - job.submitted_ms());
  const double aged =
      options_.ageing_ms_per_point > 0 ? waited / static_cast<double>(options_.ageing_ms_per_point) : 0.0;
  return job.spec().priority() + aged;
}

void RecordChecker::Backfills(const Changes& changes, UnixMs now) {
  std::vector<std::size_t> starts;
  for (std::size_t i = 0; i < changes.jobs.size(); ++i)  // an mpirun typed by hand takes no slots
    if (changes.jobs[i].state() == v1::JOB_STARTING && !changes.jobs[i].attached()) starts.push_back(i);
  if (starts.empty()) return;
  // The last start in queue order has the most jobs above it that it could delay.
  const std::size_t last =
      *std::ranges::min_element(starts, {}, [&](std::size_t i) { return RankOf(changes.jobs[i], now); });
  const Job& started = changes.jobs[last];
  Changes others = changes;
  others.jobs.erase(others.jobs.begin() + static_cast<std::ptrdiff_t>(last));
  State with = state_;
  with.Apply(changes);
  State without = state_;
  without.Apply(others);
  const auto waits_with = decisions_->Waits(with, now, {}, probe_);
  const auto waits_without = decisions_->Waits(without, now, {}, probe_);
  for (const auto& [id, then] : waits_with) {
    const Job& above = *with.FindJob(id);
    if (RankOf(above, now) <= RankOf(started, now) + 1) continue;
    const auto otherwise = waits_without.find(id);
    if (otherwise == waits_without.end()) {
      Broken(started, fmt::format("takes the slots of job {} above it, which could start", id));
    } else if (const UnixMs predicted = otherwise->second.predicted_start_ms;
               otherwise->second.slots_kept && (then.predicted_start_ms == 0 || then.predicted_start_ms > predicted)) {
      Broken(started, fmt::format("delays job {} above it from {} to {}", id, predicted, then.predicted_start_ms));
    }
  }
}

void RecordChecker::Whole() {
  if (!inventory_changes_) {  // the invariant does not know of slots that left the inventory under a running job
    if (const std::string broken = coordinator::BrokenInvariant(state_); !broken.empty()) verdict_->Broken(broken);
  }
  CheckAcknowledged(state_);
  if (next_sequence_ != state_.next_sequence()) verdict_->Broken("the history has another length than the records say");
  for (const auto& [id, job] : state_.jobs())
    if (told_[id] != job.state()) Broken(job, "is in another state in the history");
}

void RecordChecker::Broken(const Job& job, const std::string& what) {
  verdict_->Broken(fmt::format("{} ({}) {}", coordinator::JobText(job), EnumWord(job.state()), what));
}

}  // namespace still::sim
