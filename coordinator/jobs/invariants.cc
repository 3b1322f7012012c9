// The invariants of the state, for tests and the simulator.
#include <fmt/format.h>

#include <algorithm>

#include "common/enum_words.h"
#include "coordinator/jobs/decisions.h"
#include "coordinator/jobs/names.h"
#include "coordinator/jobs/queue.h"

namespace still::coordinator {
namespace {

using v1::Job;

// Returns what is wrong with the job, or an empty text. `live`: it is among the jobs that have not ended.
std::string BrokenOf(const Job& job, bool live) {
  if (live == IsTerminal(job.state())) return "is in the wrong index";
  if (IsTerminal(job.state()) != (job.ended_ms() != 0))
    return "has a time of its end without having ended, or the reverse";
  if ((job.state() == v1::JOB_COMPLETING) != (job.after() != v1::JOB_STATE_UNSPECIFIED))
    return "is COMPLETING without a state to become, or the reverse";
  if (job.after() != v1::JOB_STATE_UNSPECIFIED && HoldsSlots(job.after())) return "would end in a state that has slots";
  if (!HoldsSlots(job.state())) return "";
  if (job.attempt() == 0) return "has slots and no attempt";
  if (job.attached()) return job.placement().empty() ? "" : "is attached and has slots";
  if (job.placement().empty()) return "has an attempt without hosts";
  std::uint64_t ranks = 0;
  for (const auto& share : job.placement()) ranks += share.ranks();
  if (ranks > job.spec().ranks() || ranks == 0) return "has more or fewer ranks than its gang";
  return "";
}

}  // namespace

std::string BrokenInvariant(const State& state) {
  std::map<ArtifactKey, std::uint64_t> makers;
  for (const auto& [id, job] : state.jobs()) {
    if (id != job.id() || id >= state.next_job()) return fmt::format("{} is indexed as {}", JobText(job), id);
    if (const std::string broken = BrokenOf(job, state.live().contains(id)); !broken.empty())
      return fmt::format("{} ({}) {}", JobText(job), EnumWord(job.state()), broken);
    if (!HoldsSlots(job.state())) continue;
    if (const auto [maker, added] = makers.try_emplace(ArtifactOf(job), id); !added)
      return fmt::format("jobs {} and {} make {} at once", maker->second, id, ArtifactPath(job.spec()));
  }
  for (const auto& [name, slots] : UsedSlots(state)) {
    const auto host = state.hosts().find(name);
    if (host == state.hosts().end()) return fmt::format("{} slots are used on {}, which is not a host", slots, name);
    // The inventory may have taken slots away from under running jobs, which keep them.
    if (slots > std::max<std::uint64_t>(host->second.slots(), host->second.overdrawn()) && !host->second.drained())
      return fmt::format("{} of {} slots are used on {}", slots, host->second.slots(), name);
  }
  return "";
}

}  // namespace still::coordinator
