// The free slots of every host from now on, as what runs and what is planned leaves them. A value; one thread.
//
// Kept twice. Each host has its own steps, which are few: they say what is true. For each width of a rank that was
// asked for there is one line over all hosts: how many such ranks fit at an instant. That is an upper bound of what
// fits during a stretch of time, and rules out nearly all starts without a look at any host.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "cluster/placement.h"
#include "common/unix_time.h"

namespace still::coordinator {

struct SlotsOnHost {
  std::uint32_t host = 0;  // index
  std::uint32_t slots = 0;
};

class SlotProfile {
 public:
  // From `at` to the next step, the last for ever. Less than 0 where more runs than the host has slots for (they were
  // reduced).
  struct Step {
    UnixMs at = 0;
    std::int64_t free = 0;
  };

  // All open hosts empty; closed ones have no slots.
  SlotProfile(const std::vector<cluster::HostSlots>& hosts, UnixMs now);

  // From `from` (at least now) until before `to`.
  void Take(std::span<const SlotsOnHost> slots, UnixMs from, UnixMs to) { Change(slots, from, to, -1); }
  void GiveBack(std::span<const SlotsOnHost> slots, UnixMs from, UnixMs to) { Change(slots, from, to, 1); }

  // When the gang fits for so long, not before `not_before` (at least now). Nothing when it never does.
  std::optional<UnixMs> EarliestStart(const cluster::GangShape& gang, std::int64_t duration_ms, UnixMs not_before);
  bool FitsNow(const cluster::GangShape& gang, std::int64_t duration_ms);

  // The first hosts that hold the gang throughout, each as many ranks as it can. The gang fits.
  //
  // What takes slots that these leave over changes nothing about this choice, whenever it is made again. So whoever
  // starts beside a plan made of such choices, in queue order, leaves every one of them as it is.
  std::vector<SlotsOnHost> FirstFit(const cluster::GangShape& gang, UnixMs from, UnixMs to) const;

  // Of each host, the least that is free at any time from `from` until before `to`.
  std::vector<std::uint32_t> LeastFree(UnixMs from, UnixMs to) const;
  // How many ranks of that width fit now.
  std::int64_t RanksNow(std::uint32_t slots_per_rank) { return LineOf(slots_per_rank).front(); }
  std::int64_t FreeNow(std::uint32_t host) const { return steps_[host].front().free; }
  std::size_t host_count() const { return steps_.size(); }
  std::span<const Step> StepsOf(std::uint32_t host) const { return steps_[host]; }

 private:
  using Line = std::vector<std::int64_t>;  // beside times_

  void Change(std::span<const SlotsOnHost> slots, UnixMs from, UnixMs to, std::int64_t sign);
  Line& LineOf(std::uint32_t slots_per_rank);
  std::size_t IndexOf(UnixMs at) const;  // of the last time that is not after `at`
  void InsertTime(UnixMs at);
  std::int64_t LeastFreeOf(std::uint32_t host, UnixMs from, UnixMs to) const;

  std::vector<std::vector<Step>> steps_;  // by host; the first one is now
  std::vector<UnixMs> times_;             // of all steps, rising; the first one is now
  std::map<std::uint32_t, Line> lines_;   // by slots per rank
};

// How many ranks fit into so many free slots.
inline std::int64_t RanksIn(std::int64_t free, std::uint32_t slots_per_rank) {
  return free <= 0 ? 0 : free / static_cast<std::int64_t>(slots_per_rank);
}

}  // namespace still::coordinator
