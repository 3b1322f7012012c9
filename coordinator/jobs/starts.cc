#include "coordinator/jobs/starts.h"

#include <fmt/format.h>

#include "common/counted_text.h"
#include "common/enum_words.h"
#include "coordinator/jobs/decisions.h"
#include "coordinator/jobs/names.h"
#include "coordinator/jobs/queue.h"

namespace still::coordinator {
namespace {

constexpr std::string_view kScheduler = "scheduler";

v1::Job& BeginAttempt(Transaction& transaction, std::uint64_t id) {
  v1::Job& job = transaction.Edit(id);
  job.set_attempt(job.attempt() + 1);
  job.set_started_ms(transaction.now());
  job.clear_placement();
  job.clear_attached_launch();
  job.clear_attached_ranks();
  return job;
}

// Returns why the mpirun `launch` of `ranks` ranks can never take the job.
Status CheckAttachable(const v1::Job& job, const std::string& launch, std::uint32_t ranks) {
  if (IsTerminal(job.state()))
    return Error(Code::kInvalidArgument, "{} has ended ({}); still requeue {} queues it again", JobText(job),
                 EnumWord(job.state()), job.id());
  if (launch.empty() || ranks < 1) return Error(Code::kInvalidArgument, "{} needs at least one rank", JobText(job));
  if (!HoldsSlots(job.state()) && job.attached_launch() == launch)
    return Error(Code::kInvalidArgument, "the attempt of this mpirun at {} has ended; type it again to continue",
                 JobText(job));
  return Ok();
}

// Returns why no mpirun can take the job now. The queue is not computed for this: hundreds of ranks ask, again and
// again. A person's mpirun brings its own slots, and waits neither for a pause nor for the scheduler.
Status CheckFree(const State& state, const v1::Job& job, UnixMs now) {
  if (HoldsSlots(job.state()))
    return Error(Code::kUnavailable, "{} is {} by another launch", JobText(job), EnumWord(job.state()));
  for (const std::uint64_t other : state.live()) {
    const v1::Job& maker = *state.FindJob(other);
    if (HoldsSlots(maker.state()) && ArtifactOf(maker) == ArtifactOf(job))
      return Error(Code::kUnavailable, "{} waits: its artifact is being made by {}", JobText(job), JobText(maker));
  }
  for (const Reason& reason : ReasonsOtherThanSlots(state, job, now)) {
    if (reason.code != v1::WAIT_REASON_PAUSE && reason.code != v1::WAIT_REASON_ATTACH)
      return Error(Code::kUnavailable, "{} {}", JobText(job), reason.text);
  }
  return Ok();
}

}  // namespace

void StartJob(Transaction& transaction, const Start& start) {
  v1::Job& job = BeginAttempt(transaction, start.id);
  for (const cluster::HostShare& share : start.placement) {
    v1::HostShare& placed = *job.add_placement();
    placed.set_host(share.host);
    placed.set_ranks(share.ranks);
  }
  transaction.Move(start.id, job.state(), v1::JOB_STARTING, v1::CAUSE_SCHEDULED, kScheduler,
                   fmt::format("attempt {} on {}", job.attempt(), PlacementText(job)));
}

Result<Changes> JobDecisions::AttachLaunch(const State& state, std::uint64_t id, const std::string& launch,
                                           std::uint32_t ranks, UnixMs now) const {
  const v1::Job* const job = state.FindJob(id);
  if (job == nullptr) return NoSuchJob(fmt::to_string(id));
  STILL_RETURN_IF_ERROR(CheckAttachable(*job, launch, ranks));
  if (HoldsSlots(job->state()) && job->attached_launch() == launch) return Changes();
  STILL_RETURN_IF_ERROR(CheckFree(state, *job, now));
  Transaction transaction(state, now);
  v1::Job& attached = BeginAttempt(transaction, id);
  attached.set_attached(true);
  attached.set_attached_launch(launch);
  attached.set_attached_ranks(ranks);
  transaction.Move(
      id, job->state(), v1::JOB_STARTING, v1::CAUSE_SCHEDULED, kScheduler,
      fmt::format("attempt {} by an mpirun of {} typed by hand", attached.attempt(), Counted(ranks, "rank")));
  return std::move(transaction).TakeChanges();
}

}  // namespace still::coordinator
