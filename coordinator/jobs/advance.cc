// The decisions that time brings, and the prediction of when waiting jobs start.
#include <fmt/format.h>

#include <utility>

#include "coordinator/jobs/decisions.h"
#include "coordinator/jobs/dependencies.h"
#include "coordinator/jobs/names.h"
#include "coordinator/jobs/queue.h"
#include "coordinator/jobs/starts.h"
#include "coordinator/jobs/time_limits.h"
#include "coordinator/jobs/transaction.h"

namespace still::coordinator {
namespace {

// The number of waiting jobs beyond the reservations that get a predicted start. Each costs one search through the plan
// whenever somebody asks.
constexpr std::uint32_t kPredicted = 64;

// Makes the moves that need no slots. Ids rise along dependencies, so one pass ends whole chains of jobs.
void MoveWithoutSlots(Transaction& transaction, const State& state, const ArtifactProber& probe) {
  for (const std::uint64_t id : state.live()) {
    if (EnforceTimeLimit(transaction, id)) continue;
    if (IsWaiting(transaction.job(id).state())) EndWithoutAttempt(transaction, state, id, probe);
  }
}

void Preempt(Transaction& transaction, const Preemption& preemption) {
  transaction.Move(preemption.victim, transaction.job(preemption.victim).state(), v1::JOB_PREEMPTING,
                   v1::CAUSE_PREEMPTED, "scheduler",
                   fmt::format("makes way for {}", JobText(transaction.job(preemption.beneficiary))));
}

SchedulerOutput AskScheduler(Queue&& queue, UnixMs now, const SchedulerOptions& options) {
  return Schedule({.now_ms = now,
                   .hosts = &queue.hosts,
                   .queued = std::move(queue.ready),
                   .running = std::move(queue.running),
                   .options = options});
}

}  // namespace

Changes JobDecisions::Advance(const State& state, const ArtifactProber& probe, UnixMs now) const {
  Transaction without_slots(state, now);
  MoveWithoutSlots(without_slots, state, probe);
  Changes changes = std::move(without_slots).TakeChanges();
  // These moves free slots and queue other jobs. The next call, which is due at once, takes account of them.
  if (!changes.empty()) return changes;
  const SchedulerOutput output = AskScheduler(QueueOf(state, probe, now), now, options_.scheduler);
  Transaction transaction(state, now);
  for (const Start& start : output.starts) StartJob(transaction, start);
  for (const Preemption& preemption : output.preemptions) Preempt(transaction, preemption);
  return std::move(transaction).TakeChanges();
}

std::map<std::uint64_t, Wait> JobDecisions::Waits(const State& state, UnixMs now,
                                                  const std::map<std::uint64_t, std::int64_t>& left_ms,
                                                  const ArtifactProber& probe) const {
  Queue queue = QueueOf(state, probe, now);
  const std::map<std::uint64_t, std::vector<Reason>> blocked = std::exchange(queue.blocked, {});
  Queue estimated = queue;
  for (RunningJob& running : estimated.running) {
    if (const auto left = left_ms.find(running.id); left != left_ms.end())
      running.duration_ms = std::max<std::int64_t>(1, now - running.started_ms + left->second);
  }
  SchedulerOptions options = options_.scheduler;
  options.predictions = kPredicted;
  if (!left_ms.empty()) options.preemption_gap = 0;  // the limits decide which jobs make way
  std::map<std::uint64_t, Wait> waits = AskScheduler(std::move(estimated), now, options).waits;
  if (!left_ms.empty()) {
    // The limits also decide which jobs wait, even those that the estimates would let start.
    const std::map<std::uint64_t, Wait> limited = AskScheduler(std::move(queue), now, options_.scheduler).waits;
    std::erase_if(waits, [&](const auto& wait) { return !limited.contains(wait.first); });
    for (const auto& [id, wait] : limited) waits.try_emplace(id, wait).first->second.position = wait.position;
  }
  for (const auto& [id, reasons] : blocked) waits[id].reasons = reasons;
  return waits;
}

}  // namespace still::coordinator
