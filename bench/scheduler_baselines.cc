#include "bench/scheduler_baselines.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "cluster/placement.h"

namespace still::coordinator {
namespace {

using cluster::GangShape;
using cluster::HostSlots;
using cluster::Placement;

std::uint32_t SlotsOn(const cluster::HostShare& share, const GangShape& gang) {
  return share.ranks * gang.slots_per_rank;
}

class FreeSlots {
 public:
  explicit FreeSlots(const SchedulerInput& input) : hosts_(*input.hosts) {
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
      index_[hosts_[i].name] = i;
      slots_.push_back(hosts_[i].slots);
    }
    for (const RunningJob& job : input.running) Take(job.placement, job.gang);
  }
  void Take(const Placement& placement, const GangShape& gang) {
    for (const auto& share : placement) slots_[index_.at(share.host)] -= SlotsOn(share, gang);
  }
  void GiveBack(const Placement& placement, const GangShape& gang) {
    for (const auto& share : placement) slots_[index_.at(share.host)] += SlotsOn(share, gang);
  }
  std::optional<Placement> Place(const GangShape& gang) const { return cluster::Place(hosts_, slots_, gang); }
  // Places the gang on slots that are free in both.
  std::optional<Placement> PlaceInBoth(const GangShape& gang, const FreeSlots& other) const {
    std::vector<std::uint32_t> least = slots_;
    for (std::size_t i = 0; i < least.size(); ++i) least[i] = std::min(least[i], other.slots_[i]);
    return cluster::Place(hosts_, least, gang);
  }

 private:
  const std::vector<HostSlots>& hosts_;
  std::map<std::string, std::size_t> index_;
  std::vector<std::uint32_t> slots_;
};

}  // namespace

SchedulerOutput Fifo(const SchedulerInput& input) {
  std::vector<QueuedJob> queue = input.queued;
  std::ranges::sort(queue, {}, [](const QueuedJob& job) { return std::tuple(job.submitted_ms, job.id); });
  FreeSlots free(input);
  SchedulerOutput output;
  for (const QueuedJob& job : queue) {
    const auto placement = free.Place(job.gang);
    if (!placement) break;
    free.Take(*placement, job.gang);
    output.starts.push_back({job.id, *placement});
  }
  return output;
}

SchedulerOutput Easy(const SchedulerInput& input) {
  std::vector<QueuedJob> queue = input.queued;
  std::ranges::sort(queue, {}, [&](const QueuedJob& job) {
    return std::tuple(job.submitted_ms - job.priority * input.options.ageing_ms_per_point, job.submitted_ms, job.id);
  });
  FreeSlots free(input);
  SchedulerOutput output;
  std::vector<RunningJob> running = input.running;
  const auto start = [&](const QueuedJob& job, const Placement& placement) {
    free.Take(placement, job.gang);
    output.starts.push_back({job.id, placement});
    running.push_back(
        {.started_ms = input.now_ms, .duration_ms = job.duration_ms, .gang = job.gang, .placement = placement});
  };
  std::size_t head = 0;
  for (; head < queue.size(); ++head) {
    const auto placement = free.Place(queue[head].gang);
    if (!placement) break;
    start(queue[head], *placement);
  }
  if (head == queue.size()) return output;

  std::ranges::sort(running, {}, [](const RunningJob& job) { return job.started_ms + job.duration_ms; });
  FreeSlots at_shadow = free;
  UnixMs shadow = input.now_ms;
  for (const RunningJob& job : running) {
    at_shadow.GiveBack(job.placement, job.gang);
    shadow = job.started_ms + job.duration_ms;
    if (const auto placement = at_shadow.Place(queue[head].gang)) {
      at_shadow.Take(*placement, queue[head].gang);
      break;
    }
  }
  for (std::size_t i = head + 1; i < queue.size(); ++i) {
    const bool done_before = input.now_ms + queue[i].duration_ms <= shadow;
    const auto placement = done_before ? free.Place(queue[i].gang) : free.PlaceInBoth(queue[i].gang, at_shadow);
    if (!placement) continue;
    start(queue[i], *placement);
    if (!done_before) at_shadow.Take(*placement, queue[i].gang);
  }
  return output;
}

}  // namespace still::coordinator
