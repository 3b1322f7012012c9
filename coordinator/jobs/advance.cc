// What time brings: the start of jobs, their limits, artifacts that exist, dependencies that failed.
#include <utility>

#include "common/duration_text.h"
#include "coordinator/jobs/decisions.h"
#include "coordinator/jobs/names.h"
#include "coordinator/jobs/queue.h"
#include "coordinator/jobs/transaction.h"

namespace still::coordinator {
namespace {

using stillhouse::v1::Job;

constexpr std::string_view kScheduler = "scheduler";
// Waiting jobs beyond the reservations that are told a start: each costs a look through the plan whenever somebody
// asks.
constexpr std::uint32_t kPredicted = 64;

bool OverLimit(const Job& job, UnixMs now) {
  return (job.state() == stillhouse::v1::JOB_STARTING || job.state() == stillhouse::v1::JOB_RUNNING) &&
         job.spec().time_limit_ms() > 0 && now - job.started_ms() >= job.spec().time_limit_ms();
}

// A dependency that ended without its artifact. Null when there is none.
const Job* FailedDependency(const State& state, const Transaction& transaction, const Job& job) {
  for (const std::uint64_t id : job.spec().depends_on()) {
    if (state.FindJob(id) == nullptr) continue;
    const Job& dependency = transaction.job(id);
    if (IsTerminal(dependency.state()) && dependency.state() != stillhouse::v1::JOB_SUCCEEDED) return &dependency;
  }
  return nullptr;
}

bool DependenciesDone(const State& state, const Transaction& transaction, const Job& job) {
  for (const std::uint64_t id : job.spec().depends_on()) {
    if (state.FindJob(id) != nullptr && transaction.job(id).state() != stillhouse::v1::JOB_SUCCEEDED) return false;
  }
  return true;
}

// Ids rise along dependencies, so one pass settles whole chains.
void Settle(Transaction& transaction, const State& state, const ArtifactProber& sights) {
  for (const std::uint64_t id : state.live()) {
    const Job& job = transaction.job(id);
    if (OverLimit(job, transaction.now())) {
      transaction.Move(id, stillhouse::v1::JOB_COMPLETING, stillhouse::v1::CAUSE_TIME_LIMIT, kScheduler,
                       fmt::format("its time limit of {} is over", DurationText(job.spec().time_limit_ms())));
      transaction.Edit(id).set_after(stillhouse::v1::JOB_TIMEOUT);
    } else if (IsWaiting(job.state())) {
      if (const Job* failed = FailedDependency(state, transaction, job)) {
        transaction.Move(id, stillhouse::v1::JOB_CANCELLED, stillhouse::v1::CAUSE_DEPENDENCY_FAILED, kScheduler,
                         fmt::format("needs what {} makes, which is {}", JobText(*failed), StateName(failed->state())));
      } else if (DependenciesDone(state, transaction, job) && sights(job.spec()).made()) {
        transaction.Move(id, stillhouse::v1::JOB_SUCCEEDED, stillhouse::v1::CAUSE_REUSED, kScheduler,
                         "its artifact exists");
      }
    }
  }
}

void StartJob(Transaction& transaction, const Start& start) {
  Job& job = transaction.Edit(start.id);
  job.set_attempt(job.attempt() + 1);
  job.set_started_ms(transaction.now());
  job.clear_placement();
  job.clear_attached_launch();
  job.clear_attached_ranks();
  for (const cluster::HostShare& share : start.placement) {
    auto* const placed = job.add_placement();
    placed->set_host(share.host);
    placed->set_ranks(share.ranks);
  }
  transaction.Move(start.id, stillhouse::v1::JOB_STARTING, stillhouse::v1::CAUSE_SCHEDULED, kScheduler,
                   fmt::format("attempt {} on {}", job.attempt(), PlacementText(job)));
}

SchedulerOutput Ask(Queue&& queue, UnixMs now, const SchedulerOptions& options) {
  return Schedule({.now_ms = now,
                   .hosts = &queue.hosts,
                   .queued = std::move(queue.ready),
                   .running = std::move(queue.running),
                   .options = options});
}

}  // namespace

Changes JobDecisions::Advance(const State& state, const ArtifactProber& sights, UnixMs now) const {
  Transaction settled(state, now);
  Settle(settled, state, sights);
  Changes changes = std::move(settled).TakeChanges();
  // What was settled frees and queues others: they are looked at with the next call, which is due at once.
  if (!changes.empty()) return changes;
  const SchedulerOutput output = Ask(QueueOf(state, sights, now), now, options_.scheduler);
  Transaction transaction(state, now);
  for (const Start& start : output.starts) StartJob(transaction, start);
  for (const Preemption& preemption : output.preemptions) {
    transaction.Move(preemption.victim, stillhouse::v1::JOB_PREEMPTING, stillhouse::v1::CAUSE_PREEMPTED, kScheduler,
                     fmt::format("makes way for {}", JobText(transaction.job(preemption.beneficiary))));
  }
  return std::move(transaction).TakeChanges();
}

std::map<std::uint64_t, Wait> JobDecisions::Waits(const State& state, UnixMs now,
                                                  const std::map<std::uint64_t, std::int64_t>& left_ms,
                                                  const ArtifactProber& sights) const {
  Queue queue = QueueOf(state, sights, now);
  const std::map<std::uint64_t, std::vector<Reason>> blocked = std::exchange(queue.blocked, {});
  Queue estimated = queue;
  for (RunningJob& running : estimated.running) {
    if (const auto left = left_ms.find(running.id); left != left_ms.end())
      running.duration_ms = std::max<std::int64_t>(1, now - running.started_ms + left->second);
  }
  SchedulerOptions options = options_.scheduler;
  options.predictions = kPredicted;
  if (!left_ms.empty()) options.preemption_gap = 0;  // who makes way is decided by the limits
  std::map<std::uint64_t, Wait> waits = Ask(std::move(estimated), now, options).waits;
  if (!left_ms.empty()) {
    // And so is who waits: also whom the estimates would let start.
    const std::map<std::uint64_t, Wait> limited = Ask(std::move(queue), now, options_.scheduler).waits;
    std::erase_if(waits, [&](const auto& wait) { return !limited.contains(wait.first); });
    for (const auto& [id, wait] : limited) waits.try_emplace(id, wait).first->second.position = wait.position;
  }
  for (const auto& [id, reasons] : blocked) waits[id].reasons = reasons;
  return waits;
}

Result<Changes> JobDecisions::AttachLaunch(const State& state, std::uint64_t id, const std::string& launch,
                                           std::uint32_t ranks, UnixMs now) const {
  const Job* const job = state.FindJob(id);
  if (job == nullptr) return Error(Code::kNotFound, "there is no job {}", id);
  if (IsTerminal(job->state()))
    return Error(Code::kInvalidArgument, "{} has ended ({}); still requeue {} queues it again", JobText(*job),
                 StateName(job->state()), id);
  if (!HoldsSlots(job->state()) && job->attached_launch() == launch && !launch.empty())
    return Error(Code::kInvalidArgument, "the attempt of this mpirun at {} has ended; type it again to go on",
                 JobText(*job));
  if (launch.empty() || ranks < 1)
    return Error(Code::kInvalidArgument, "an mpirun of no ranks cannot take {}", JobText(*job));
  if (HoldsSlots(job->state()) && job->attached_launch() == launch) return Changes();
  if (HoldsSlots(job->state()))
    return Error(Code::kUnavailable, "{} is {} by another launch", JobText(*job), StateName(job->state()));
  for (const std::uint64_t other : state.live()) {
    const Job& maker = *state.FindJob(other);
    if (HoldsSlots(maker.state()) && ArtifactOf(maker) == ArtifactOf(*job))
      return Error(Code::kUnavailable, "{} waits: its artifact is being made by {}", JobText(*job), JobText(maker));
  }
  // Whoever types mpirun brings slots, and need not wait for a pause or for the scheduler. Hundreds of ranks ask, again
  // and again: the queue is not looked at for them.
  for (const Reason& reason : ReasonsOtherThanSlots(state, *job, now)) {
    if (reason.code != "PAUSE" && reason.code != "ATTACH")
      return Error(Code::kUnavailable, "{} {}", JobText(*job), reason.text);
  }
  Transaction transaction(state, now);
  Job& attached = transaction.Edit(id);
  attached.set_attempt(attached.attempt() + 1);
  attached.set_started_ms(now);
  attached.clear_placement();
  attached.set_attached(true);
  attached.set_attached_launch(launch);
  attached.set_attached_ranks(ranks);
  transaction.Move(id, stillhouse::v1::JOB_STARTING, stillhouse::v1::CAUSE_SCHEDULED, kScheduler,
                   fmt::format("attempt {} by an mpirun of {} rank{} typed by hand", attached.attempt(), ranks,
                               ranks == 1 ? "" : "s"));
  return std::move(transaction).TakeChanges();
}

}  // namespace still::coordinator
