// Decides what people change about jobs: cancel, hold, release, requeue, and the priority.
#include <fmt/format.h>

#include <algorithm>

#include "common/enum_words.h"
#include "coordinator/jobs/decisions.h"
#include "coordinator/jobs/names.h"
#include "coordinator/jobs/transaction.h"

namespace still::coordinator {
namespace {

using v1::Job;
using v1::JobState;

// Returns whether the end of the job was asked for, after which it is `after`.
bool EndsAs(const Job& job, JobState after) { return job.state() == v1::JOB_COMPLETING && job.after() == after; }

// Asks for the end of the job's attempt, after which the job is `after`. Its ranks finish their step first.
void Complete(Transaction& transaction, std::uint64_t id, JobState after, const std::string& user,
              const std::string& message) {
  transaction.Move(id, transaction.job(id).state(), v1::JOB_COMPLETING, v1::CAUSE_USER, user, message).set_after(after);
}

// Puts the job back into the queue as if it had never failed.
void Restart(Transaction& transaction, std::uint64_t id, const std::string& user, const std::string& message) {
  Job& job = transaction.Move(id, transaction.job(id).state(), v1::JOB_PENDING, v1::CAUSE_USER, user, message);
  job.set_failures(0);
  job.set_eligible_ms(0);
}

// Returns whether the job waits as if it had never failed, so that requeueing it changes nothing.
bool WaitsAfresh(const Job& job) {
  return job.state() == v1::JOB_PENDING && job.failures() == 0 && job.eligible_ms() == 0;
}

// Returns the error for a change that the state of the job does not allow.
Status Refuse(const Job& job, std::string_view verb) {
  return Error(Code::kInvalidArgument, "{} is {}: it cannot be {}", JobText(job), EnumWord(job.state()), verb);
}

Status Cancel(Transaction& transaction, std::uint64_t id, const std::string& user) {
  const Job& job = transaction.job(id);
  if (IsTerminal(job.state())) return Refuse(job, "cancelled");
  if (!HoldsSlots(job.state())) {
    transaction.Move(id, job.state(), v1::JOB_CANCELLED, v1::CAUSE_USER, user, "cancelled");
    return Ok();
  }
  const bool again = EndsAs(job, v1::JOB_CANCELLED);
  Complete(transaction, id, v1::JOB_CANCELLED, user, again ? "cancelled at once" : "cancelled");
  if (again) transaction.Edit(id).set_kill(true);
  return Ok();
}

Status Hold(Transaction& transaction, std::uint64_t id, const std::string& user) {
  const Job& job = transaction.job(id);
  if (IsTerminal(job.state())) return Refuse(job, "held");
  if (HoldsSlots(job.state())) {
    if (EndsAs(job, v1::JOB_CANCELLED)) return Refuse(job, "held: it is being cancelled");
    if (EndsAs(job, v1::JOB_HELD)) return Ok();
    Complete(transaction, id, v1::JOB_HELD, user, "held");
  } else if (IsWaiting(job.state())) {
    transaction.Move(id, job.state(), v1::JOB_HELD, v1::CAUSE_USER, user, "held");
  }
  return Ok();
}

Status Release(Transaction& transaction, std::uint64_t id, const std::string& user) {
  const Job& job = transaction.job(id);
  if (job.state() == v1::JOB_HELD) {
    Restart(transaction, id, user, "released");
  } else if (EndsAs(job, v1::JOB_HELD)) {
    transaction.Edit(id).set_after(v1::JOB_PENDING);
    transaction.Record(id, v1::CAUSE_USER, user, "released");
  } else if (job.attached() && IsWaiting(job.state())) {
    transaction.Edit(id).set_attached(false);
    transaction.Record(id, v1::CAUSE_USER, user, "released to the scheduler");
  } else {
    return Refuse(job, "released: nobody holds it");
  }
  return Ok();
}

Status Requeue(Transaction& transaction, std::uint64_t id, const std::string& user) {
  const Job& job = transaction.job(id);
  if (job.state() == v1::JOB_SUCCEEDED)
    return Refuse(job, "requeued; if its artifact was removed since, submit the pipeline again");
  if (HoldsSlots(job.state())) {
    if (EndsAs(job, v1::JOB_CANCELLED)) return Refuse(job, "requeued before it has ended");
    if (EndsAs(job, v1::JOB_PENDING)) return Ok();
    Complete(transaction, id, v1::JOB_PENDING, user, "requeued");
  } else if (job.state() != v1::JOB_HELD && !WaitsAfresh(job)) {
    Restart(transaction, id, user, "requeued");
  }
  return Ok();
}

Status ChangeOne(Transaction& transaction, std::uint64_t id, const v1::ChangeJobs& change, const std::string& user) {
  switch (change.verb()) {
    case v1::JOB_VERB_CANCEL: return Cancel(transaction, id, user);
    case v1::JOB_VERB_HOLD: return Hold(transaction, id, user);
    case v1::JOB_VERB_RELEASE: return Release(transaction, id, user);
    case v1::JOB_VERB_REQUEUE: return Requeue(transaction, id, user);
    case v1::JOB_VERB_SET_PRIORITY:
      if (IsTerminal(transaction.job(id).state())) return Refuse(transaction.job(id), "moved in the queue");
      transaction.Edit(id).mutable_spec()->set_priority(change.priority());
      transaction.Record(id, v1::CAUSE_USER, user, fmt::format("priority {}", change.priority()));
      return Ok();
    default: STILL_CHECK(false, "a verb that was checked");
  }
}

}  // namespace

std::vector<v1::JobVerb> VerbsFor(const State& state, std::uint64_t id, UnixMs now) {
  std::vector<v1::JobVerb> verbs;
  for (const v1::JobVerb verb : {v1::JOB_VERB_HOLD, v1::JOB_VERB_RELEASE, v1::JOB_VERB_REQUEUE, v1::JOB_VERB_CANCEL}) {
    v1::ChangeJobs change;
    change.set_verb(verb);
    Transaction transaction(state, now);
    const bool allowed = ChangeOne(transaction, id, change, "").ok();
    if (allowed && !std::move(transaction).TakeChanges().empty()) verbs.push_back(verb);
  }
  return verbs;
}

Result<ChangeOutcome> JobDecisions::ChangeJobs(const State& state, const v1::ChangeJobs& change,
                                               const std::string& user, UnixMs now) const {
  if (change.verb() == v1::JOB_VERB_UNSPECIFIED || !v1::JobVerb_IsValid(change.verb()))
    return Error(Code::kInvalidArgument, "the change has no verb that this coordinator knows");
  std::vector<std::uint64_t> ids(change.jobs().begin(), change.jobs().end());
  if (change.pipeline() != 0) {
    const auto pipeline = state.pipelines().find(change.pipeline());
    if (pipeline == state.pipelines().end())
      return Error(Code::kNotFound, "there is no pipeline {}; still queue and still history list them",
                   change.pipeline());
    ids.assign(pipeline->second.jobs().begin(), pipeline->second.jobs().end());
  }
  std::ranges::sort(ids);
  ids.erase(std::ranges::unique(ids).begin(), ids.end());
  if (ids.empty()) return Error(Code::kInvalidArgument, "the change names no job");
  Transaction transaction(state, now);
  ChangeOutcome outcome;
  for (const std::uint64_t id : ids) {
    if (state.FindJob(id) == nullptr) return NoSuchJob(fmt::to_string(id));
    const Status changed = ChangeOne(transaction, id, change, user);
    // In a whole pipeline, those jobs change that can.
    if (!changed.ok() && change.pipeline() == 0) return changed;
    if (changed.ok()) outcome.jobs.push_back(id);
  }
  outcome.changes = std::move(transaction).TakeChanges();
  return outcome;
}

}  // namespace still::coordinator
