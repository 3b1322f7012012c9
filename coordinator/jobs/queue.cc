#include "coordinator/jobs/queue.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "common/counted_text.h"
#include "common/duration_text.h"
#include "common/enum_words.h"
#include "common/stage_facts.h"
#include "coordinator/jobs/names.h"

namespace still::coordinator {
namespace {

using v1::Host;
using v1::Job;

cluster::HostSlots SlotsOf(const Host& host, UnixMs now) {
  cluster::HostSlots slots{.name = host.name(), .slots = host.slots()};
  slots.open = HostStateOf(host, now) == v1::HOST_STATE_UP;
  slots.closed_because = ClosedReason(host, now);
  return slots;
}

Reason UnknownArtifact(const Job& job, std::int64_t unanswered_ms) {
  std::string text = fmt::format("looks whether {} exists", ArtifactPath(job.spec()));
  if (unanswered_ms >= 1000)
    text += fmt::format("; the file system has not answered for {}", DurationText(unanswered_ms));
  return {v1::WAIT_REASON_ARTIFACT_UNKNOWN, std::move(text)};
}

// Chooses which of the jobs that make the same artifact goes first: the one that has begun, else the first one offered.
class Makers {
 public:
  void Offer(const Job& job, bool begun) {
    auto [place, added] = makers_.try_emplace(ArtifactOf(job), &job, begun);
    if (!added && begun && !place->second.second) place->second = {&job, begun};
  }
  const Job* MakerOf(const Job& job) const {
    const auto maker = makers_.find(ArtifactOf(job));
    return maker == makers_.end() ? nullptr : maker->second.first;
  }

 private:
  std::map<ArtifactKey, std::pair<const Job*, bool>> makers_;
};

RunningJob RunningJobOf(const Job& job) {
  RunningJob running{.id = job.id(),
                     .priority = job.spec().priority(),
                     .submitted_ms = job.submitted_ms(),
                     .started_ms = job.started_ms(),
                     .duration_ms = job.spec().time_limit_ms(),
                     .gang = {.ranks = 0, .slots_per_rank = job.spec().slots_per_rank()},
                     .preemptible = job.spec().preemptible(),
                     .leaving = job.state() == v1::JOB_PREEMPTING || job.state() == v1::JOB_COMPLETING};
  for (const auto& share : job.placement()) {
    running.gang.ranks += share.ranks();
    running.placement.push_back({.host = share.host(), .ranks = share.ranks()});
  }
  return running;
}

// Returns the gang that the job's next attempt asks for. After the loss of a host it is as large as the hosts that are
// left can hold.
cluster::GangShape GangOf(const Job& job, const std::vector<cluster::HostSlots>& hosts) {
  cluster::GangShape gang{.ranks = job.spec().ranks(), .slots_per_rank = job.spec().slots_per_rank()};
  if (job.state() != v1::JOB_RECOVERING || job.cause() != v1::CAUSE_HOST_LOST) return gang;
  std::uint64_t fitting = 0;
  for (const cluster::HostSlots& host : hosts)
    if (host.open) fitting += host.slots / gang.slots_per_rank;
  if (fitting > 0 && fitting < gang.ranks) gang.ranks = static_cast<std::uint32_t>(fitting);
  return gang;
}

QueuedJob QueuedJobOf(const Job& job, const std::vector<cluster::HostSlots>& hosts) {
  return {.id = job.id(),
          .priority = job.spec().priority(),
          .submitted_ms = job.submitted_ms(),
          .gang = GangOf(job, hosts),
          .duration_ms = job.spec().time_limit_ms()};
}

// Returns what keeps a job from the scheduler when nothing else blocks it: another maker of its artifact, or an
// artifact that may exist.
std::optional<Reason> ArtifactReason(const Job& job, const Makers& makers, const ArtifactProber& probe) {
  if (const Job* const maker = makers.MakerOf(job); maker != &job)
    return Reason{v1::WAIT_REASON_ARTIFACT_BUSY,
                  fmt::format("its artifact {} is being made by {}", job.spec().digest(), JobText(*maker))};
  if (const ArtifactProbe artifact = probe(job.spec()); !artifact.known())
    return UnknownArtifact(job, artifact.unanswered_ms());
  return std::nullopt;
}

}  // namespace

v1::HostState HostStateOf(const v1::Host& host, UnixMs now) {
  if (host.drained()) return v1::HOST_STATE_DRAINED;
  return host.blacklisted_until_ms() > now ? v1::HOST_STATE_BLACKLISTED : v1::HOST_STATE_UP;
}

std::string ClosedReason(const v1::Host& host, UnixMs now) {
  switch (HostStateOf(host, now)) {
    case v1::HOST_STATE_DRAINED: return host.drain_reason();
    case v1::HOST_STATE_BLACKLISTED:
      return fmt::format("lost {}; tried again in {}",
                         host.failures() == 1 ? "once" : fmt::format("{} times in a row", host.failures()),
                         DurationText(host.blacklisted_until_ms() - now));
    default: return "";
  }
}

std::string ArtifactPath(const v1::JobSpec& spec) {
  return fmt::format("{}/{}/{}", spec.artifacts_root(), ArtifactKind(spec.stage()), spec.digest());
}

std::vector<Reason> ReasonsOtherThanSlots(const State& state, const Job& job, UnixMs now) {
  std::vector<Reason> reasons;
  if (job.state() == v1::JOB_HELD)
    reasons.push_back({v1::WAIT_REASON_HELD,
                       fmt::format("{} (still release {})",
                                   job.cause() == v1::CAUSE_SUBMITTED ? "submitted on hold" : "held", job.id())});
  for (const std::uint64_t id : job.spec().depends_on()) {
    const Job* const dependency = state.FindJob(id);
    if (dependency == nullptr || dependency->state() == v1::JOB_SUCCEEDED) continue;
    reasons.push_back({v1::WAIT_REASON_DEPENDENCY,
                       fmt::format("waits for {}, which is {}", JobText(*dependency), EnumWord(dependency->state()))});
  }
  if (job.eligible_ms() > now)
    reasons.push_back(
        {v1::WAIT_REASON_PAUSE, fmt::format("pause of {} more after {} in a row", DurationText(job.eligible_ms() - now),
                                            Counted(job.failures(), "death"))});
  if (job.attached()) reasons.push_back({v1::WAIT_REASON_ATTACH, "waits for an mpirun that a person types"});
  return reasons;
}

Queue QueueOf(const State& state, const ArtifactProber& probe, UnixMs now) {
  Queue queue;
  for (const auto& [name, host] : state.hosts()) queue.hosts.push_back(SlotsOf(host, now));

  Makers makers;
  std::vector<const Job*> unblocked;
  for (const std::uint64_t id : state.live()) {
    const Job& job = *state.FindJob(id);
    if (HoldsSlots(job.state())) {
      makers.Offer(job, /*begun=*/true);
      // An attached job has no slots of the inventory.
      if (!job.placement().empty()) queue.running.push_back(RunningJobOf(job));
      continue;
    }
    std::vector<Reason> reasons = ReasonsOtherThanSlots(state, job, now);
    if (reasons.empty()) {
      makers.Offer(job, /*begun=*/false);
      unblocked.push_back(&job);
    } else {
      queue.blocked[id] = std::move(reasons);
    }
  }
  for (const Job* const job : unblocked) {
    if (std::optional<Reason> reason = ArtifactReason(*job, makers, probe)) {
      queue.blocked[job->id()].push_back(*std::move(reason));
    } else {
      queue.ready.push_back(QueuedJobOf(*job, queue.hosts));
    }
  }
  return queue;
}

}  // namespace still::coordinator
