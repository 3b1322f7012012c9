#include <fmt/format.h>

#include <algorithm>

#include "coordinator/jobs/decisions.h"
#include "coordinator/jobs/names.h"

namespace still::coordinator {
namespace {

using stillhouse::v1::Job;

std::string BrokenOf(const Job& job, bool live) {
  if (live == IsTerminal(job.state())) return "is in the wrong index";
  if (IsTerminal(job.state()) != (job.ended_ms() != 0)) return "has an end where there is none, or none where there is";
  if ((job.state() == stillhouse::v1::JOB_COMPLETING) != (job.after() != stillhouse::v1::JOB_STATE_UNSPECIFIED))
    return "is to become something without being told to end, or the other way round";
  if (job.after() != stillhouse::v1::JOB_STATE_UNSPECIFIED && HoldsSlots(job.after())) return "ends in a running state";
  if (!HoldsSlots(job.state())) return "";
  if (job.attempt() == 0) return "runs without an attempt";
  if (job.attached()) return job.placement().empty() ? "" : "is attached and has slots";
  if (job.placement().empty()) return "runs nowhere";
  std::uint64_t ranks = 0;
  for (const auto& share : job.placement()) ranks += share.ranks();
  if (ranks > job.spec().ranks() || ranks == 0) return "has more or fewer ranks than its gang";
  return "";
}

}  // namespace

std::string BrokenInvariant(const State& state) {
  std::map<std::string, std::uint64_t> used;
  std::map<ArtifactKey, std::uint64_t> makers;
  for (const auto& [id, job] : state.jobs()) {
    if (id != job.id() || id >= state.next_job()) return fmt::format("{} stands under {}", JobText(job), id);
    if (const std::string broken = BrokenOf(job, state.live().contains(id)); !broken.empty())
      return fmt::format("{} ({}) {}", JobText(job), StateName(job.state()), broken);
    if (!HoldsSlots(job.state())) continue;
    for (const auto& share : job.placement())
      used[share.host()] += std::uint64_t{share.ranks()} * job.spec().slots_per_rank();
    if (const auto [maker, added] = makers.try_emplace(ArtifactOf(job), id); !added)
      return fmt::format("jobs {} and {} make {}/{}/{} at once", maker->second, id, job.spec().artifacts_root(),
                         job.spec().kind(), job.spec().digest());
  }
  for (const auto& [name, slots] : used) {
    const auto host = state.hosts().find(name);
    if (host == state.hosts().end()) return fmt::format("{} slots are used on {}, which is no host", slots, name);
    // Slots may have been taken out of the inventory under running jobs, which keep them.
    if (slots > std::max<std::uint64_t>(host->second.slots(), host->second.overdrawn()) && !host->second.drained())
      return fmt::format("{} of {} slots are used on {}", slots, host->second.slots(), name);
  }
  return "";
}

}  // namespace still::coordinator
