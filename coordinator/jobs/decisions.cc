// What people ask for: submissions, changes of jobs and hosts, the inventory.
#include "coordinator/jobs/decisions.h"

#include <algorithm>

#include "coordinator/jobs/names.h"
#include "coordinator/jobs/transaction.h"
#include "coordinator/scheduler/fit.h"

namespace still::coordinator {
namespace {

using stillhouse::v1::Host;
using stillhouse::v1::Job;
using stillhouse::v1::JobSpec;
using stillhouse::v1::JobState;
using stillhouse::v1::Pipeline;
using Verb = stillhouse::v1::ChangeJobs;

constexpr std::uint32_t kMostRanks = 1'000'000;
constexpr std::size_t kLongestName = 200;
constexpr std::string_view kLeft = "no longer in the inventory";

std::vector<std::uint32_t> SlotsOfHosts(const State& state) {
  std::vector<std::uint32_t> slots;
  for (const auto& [name, host] : state.hosts()) slots.push_back(host.slots());
  return slots;
}

// One component of a path, which leads nowhere else.
bool IsPlainName(const std::string& name) {
  return !name.empty() && name.size() <= kLongestName && name.front() != '.' &&
         name.find_first_of(std::string("/\0", 2)) == std::string::npos;
}

Status CheckSpec(const State& state, const JobSpec& spec, int position) {
  const auto refuse = [&](const std::string& why) {
    return Error(Code::kInvalidArgument, "job {} of the submission ('{}'): {}", position, spec.name(), why);
  };
  if (spec.name().empty() || spec.name().size() > kLongestName)
    return refuse(fmt::format("a name has 1 to {} bytes", kLongestName));
  if (!stillhouse::v1::Stage_IsValid(spec.stage()) || spec.stage() == stillhouse::v1::STAGE_UNSPECIFIED)
    return refuse("it names no stage");
  if (spec.artifacts_root().empty() || !IsPlainName(spec.kind()) || !IsPlainName(spec.digest()))
    return refuse("it names no artifact: a root, and a kind and a digest that are names of directories");
  if (spec.ranks() < 1 || spec.ranks() > kMostRanks || spec.slots_per_rank() < 1)
    return refuse(fmt::format("a gang has 1 to {} ranks of at least one slot", kMostRanks));
  if (spec.time_limit_ms() < 0) return refuse("its time limit is negative");
  for (const std::uint64_t dependency : spec.depends_on()) {
    if (dependency < 1 || dependency >= static_cast<std::uint64_t>(position))
      return refuse(
          fmt::format("it depends on job {} of the submission; only earlier ones can be depended on", dependency));
  }
  return CheckFit(spec, position, SlotsOfHosts(state));
}

bool Ends(const Job& job) { return job.state() == stillhouse::v1::JOB_COMPLETING; }

// The processes of a job end in order; then it is `after`.
void Complete(Transaction& transaction, std::uint64_t id, JobState after, const std::string& user,
              const std::string& message) {
  transaction.Move(id, stillhouse::v1::JOB_COMPLETING, stillhouse::v1::CAUSE_USER, user, message).set_after(after);
}

void Restart(Transaction& transaction, std::uint64_t id, const std::string& user, const std::string& message) {
  Job& job = transaction.Move(id, stillhouse::v1::JOB_PENDING, stillhouse::v1::CAUSE_USER, user, message);
  job.set_failures(0);
  job.set_eligible_ms(0);
}

Status Refuse(const Job& job, std::string_view verb) {
  return Error(Code::kInvalidArgument, "{} is {}: it cannot be {}", JobText(job), StateName(job.state()), verb);
}

Status Cancel(Transaction& transaction, std::uint64_t id, const std::string& user) {
  const Job& job = transaction.job(id);
  if (IsTerminal(job.state())) return Refuse(job, "cancelled");
  if (!HoldsSlots(job.state())) {
    transaction.Move(id, stillhouse::v1::JOB_CANCELLED, stillhouse::v1::CAUSE_USER, user, "cancelled");
    return Ok();
  }
  const bool again = Ends(job) && job.after() == stillhouse::v1::JOB_CANCELLED;
  Complete(transaction, id, stillhouse::v1::JOB_CANCELLED, user, again ? "cancelled at once" : "cancelled");
  if (again) transaction.Edit(id).set_kill(true);
  return Ok();
}

Status Hold(Transaction& transaction, std::uint64_t id, const std::string& user) {
  const Job& job = transaction.job(id);
  if (IsTerminal(job.state())) return Refuse(job, "held");
  if (HoldsSlots(job.state())) {
    if (Ends(job) && job.after() == stillhouse::v1::JOB_CANCELLED) return Refuse(job, "held: it is being cancelled");
    Complete(transaction, id, stillhouse::v1::JOB_HELD, user, "held");
  } else if (IsWaiting(job.state())) {
    transaction.Move(id, stillhouse::v1::JOB_HELD, stillhouse::v1::CAUSE_USER, user, "held");
  }
  return Ok();
}

Status Release(Transaction& transaction, std::uint64_t id, const std::string& user) {
  const Job& job = transaction.job(id);
  if (job.state() == stillhouse::v1::JOB_HELD) {
    Restart(transaction, id, user, "released");
  } else if (Ends(job) && job.after() == stillhouse::v1::JOB_HELD) {
    transaction.Edit(id).set_after(stillhouse::v1::JOB_PENDING);
    transaction.Record(id, stillhouse::v1::CAUSE_USER, user, "released");
  } else if (job.attached() && IsWaiting(job.state())) {
    transaction.Edit(id).set_attached(false);
    transaction.Record(id, stillhouse::v1::CAUSE_USER, user, "released to the scheduler");
  } else {
    return Refuse(job, "released: nobody holds it");
  }
  return Ok();
}

Status Requeue(Transaction& transaction, std::uint64_t id, const std::string& user) {
  const Job& job = transaction.job(id);
  if (job.state() == stillhouse::v1::JOB_SUCCEEDED)
    return Refuse(job, "requeued; should its artifact have been removed since, submit the pipeline again");
  if (HoldsSlots(job.state())) {
    if (Ends(job) && job.after() == stillhouse::v1::JOB_CANCELLED) return Refuse(job, "requeued before it has ended");
    Complete(transaction, id, stillhouse::v1::JOB_PENDING, user, "requeued");
  } else if (job.state() != stillhouse::v1::JOB_HELD) {
    Restart(transaction, id, user, "requeued");
  }
  return Ok();
}

Status ChangeOne(Transaction& transaction, std::uint64_t id, const Verb& change, const std::string& user) {
  switch (change.verb()) {
    case Verb::CANCEL: return Cancel(transaction, id, user);
    case Verb::HOLD: return Hold(transaction, id, user);
    case Verb::RELEASE: return Release(transaction, id, user);
    case Verb::REQUEUE: return Requeue(transaction, id, user);
    case Verb::SET_PRIORITY:
      if (IsTerminal(transaction.job(id).state())) return Refuse(transaction.job(id), "moved in the queue");
      transaction.Edit(id).mutable_spec()->set_priority(change.priority());
      transaction.Record(id, stillhouse::v1::CAUSE_USER, user, fmt::format("priority {}", change.priority()));
      return Ok();
    default: return Error(Code::kInvalidArgument, "the change has no verb that this coordinator knows");
  }
}

}  // namespace

Result<SubmitOutcome> JobDecisions::Submit(const State& state, const stillhouse::v1::Submit& submit,
                                           const std::string& user, UnixMs now) const {
  SubmitOutcome outcome;
  if (submit.key().empty() || submit.key().size() > kLongestName)
    return Error(Code::kInvalidArgument, "a submission's key has 1 to {} bytes", kLongestName);
  if (const Pipeline* known = state.FindRequest(submit.key())) {
    outcome.pipeline = known->id();
    outcome.jobs.assign(known->jobs().begin(), known->jobs().end());
    return outcome;
  }
  if (submit.name().empty() || submit.name().size() > kLongestName)
    return Error(Code::kInvalidArgument, "a pipeline's name has 1 to {} bytes", kLongestName);
  if (submit.jobs().empty() || static_cast<std::size_t>(submit.jobs_size()) > options_.most_jobs_a_submission)
    return Error(Code::kInvalidArgument, "a submission has 1 to {} jobs, not {}", options_.most_jobs_a_submission,
                 submit.jobs_size());
  for (int i = 0; i < submit.jobs_size(); ++i) STILL_RETURN_IF_ERROR(CheckSpec(state, submit.jobs(i), i + 1));

  Transaction transaction(state, now);
  Pipeline pipeline;
  pipeline.set_id(state.next_pipeline());
  pipeline.set_name(submit.name());
  pipeline.set_owner(user);
  pipeline.set_request(submit.key());
  const std::uint64_t first = state.next_job();
  for (int i = 0; i < submit.jobs_size(); ++i) {
    Job job;
    job.set_id(first + static_cast<std::uint64_t>(i));
    job.set_pipeline(pipeline.id());
    *job.mutable_spec() = submit.jobs(i);
    job.mutable_spec()->set_owner(user);
    for (auto& dependency : *job.mutable_spec()->mutable_depends_on()) dependency += first - 1;
    job.set_state(submit.held() ? stillhouse::v1::JOB_HELD : stillhouse::v1::JOB_PENDING);
    job.set_cause(stillhouse::v1::CAUSE_SUBMITTED);
    job.set_attached(submit.jobs(i).attach());
    pipeline.add_jobs(job.id());
    outcome.jobs.push_back(job.id());
    transaction.Add(std::move(job), user);
  }
  outcome.pipeline = pipeline.id();
  transaction.Add(std::move(pipeline));
  outcome.changes = std::move(transaction).TakeChanges();
  return outcome;
}

Result<ChangeOutcome> JobDecisions::ChangeJobs(const State& state, const stillhouse::v1::ChangeJobs& change,
                                               const std::string& user, UnixMs now) const {
  std::vector<std::uint64_t> ids(change.jobs().begin(), change.jobs().end());
  if (change.pipeline() != 0) {
    const auto pipeline = state.pipelines().find(change.pipeline());
    if (pipeline == state.pipelines().end())
      return Error(Code::kNotFound, "there is no pipeline {}; still queue and still history show what there is",
                   change.pipeline());
    ids.assign(pipeline->second.jobs().begin(), pipeline->second.jobs().end());
  }
  std::ranges::sort(ids);
  ids.erase(std::ranges::unique(ids).begin(), ids.end());
  if (ids.empty()) return Error(Code::kInvalidArgument, "the change names no job");
  Transaction transaction(state, now);
  ChangeOutcome outcome;
  for (const std::uint64_t id : ids) {
    if (state.FindJob(id) == nullptr)
      return Error(Code::kNotFound, "there is no job {}; still queue and still history show what there is", id);
    const Status changed = ChangeOne(transaction, id, change, user);
    // Of a whole pipeline, those are changed that can be.
    if (!changed.ok() && (change.pipeline() == 0 || !stillhouse::v1::ChangeJobs::Verb_IsValid(change.verb())))
      return changed;
    if (changed.ok()) outcome.jobs.push_back(id);
  }
  outcome.changes = std::move(transaction).TakeChanges();
  return outcome;
}

Result<Changes> JobDecisions::ChangeHost(const State& state, const stillhouse::v1::ChangeHost& change,
                                         const std::string& user, UnixMs now) const {
  if (!state.hosts().contains(change.host())) {
    std::string names;
    for (const auto& [name, host] : state.hosts()) names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
    return Error(Code::kNotFound, "there is no host '{}'; the hosts are {}", change.host(), names);
  }
  Transaction transaction(state, now);
  Host& host = transaction.EditHost(change.host());
  host.set_drained(change.drain());
  if (change.drain()) {
    host.set_drain_reason(fmt::format("drained by {}{}{}", user, change.reason().empty() ? "" : ": ", change.reason()));
  } else {
    host.clear_drain_reason();
    host.set_failures(0);
    host.set_blacklisted_until_ms(0);
  }
  transaction.RecordHost(change.host(), user, change.drain() ? host.drain_reason() : "back in service");
  return std::move(transaction).TakeChanges();
}

Changes JobDecisions::OnCoordinatorStart(const State& state, UnixMs now) const {
  std::size_t running = 0;
  for (const std::uint64_t id : state.live()) running += HoldsSlots(state.FindJob(id)->state()) ? 1 : 0;
  Transaction transaction(state, now);
  transaction.RecordCoordinator(
      fmt::format("started; {} of {} jobs that have not ended run", running, state.live().size()));
  return std::move(transaction).TakeChanges();
}

Changes JobDecisions::SetHosts(const State& state, const std::vector<Host>& hosts, UnixMs now) const {
  Transaction transaction(state, now);
  std::map<std::string, std::uint64_t> used;  // slots
  for (const std::uint64_t id : state.live()) {
    const Job& job = *state.FindJob(id);
    if (!HoldsSlots(job.state())) continue;
    for (const auto& share : job.placement())
      used[share.host()] += std::uint64_t{share.ranks()} * job.spec().slots_per_rank();
  }
  std::set<std::string> wanted;
  for (const Host& host : hosts) {
    wanted.insert(host.name());
    const auto known = state.hosts().find(host.name());
    if (known != state.hosts().end() && known->second.drain_reason() == kLeft) {
      transaction.EditHost(host.name()).set_drained(false);
      transaction.EditHost(host.name()).clear_drain_reason();
      transaction.RecordHost(host.name(), "coordinator", "back in the inventory");
    }
    if (known != state.hosts().end() && known->second.slots() == host.slots()) continue;
    transaction.EditHost(host.name()).set_slots(host.slots());
    transaction.EditHost(host.name()).set_overdrawn(used[host.name()] > host.slots() ? used[host.name()] : 0);
    transaction.RecordHost(host.name(), "coordinator", fmt::format("{} slots", host.slots()));
  }
  for (const auto& [name, host] : state.hosts()) {
    if (wanted.contains(name)) continue;
    if (used[name] == 0) {
      transaction.Remove(name);
      transaction.RecordHost(name, "coordinator", std::string(kLeft));
    } else if (!host.drained()) {
      Host& leaving = transaction.EditHost(name);
      leaving.set_drained(true);
      leaving.set_drain_reason(std::string(kLeft));
      transaction.RecordHost(name, "coordinator", leaving.drain_reason());
    }
  }
  return std::move(transaction).TakeChanges();
}

}  // namespace still::coordinator
