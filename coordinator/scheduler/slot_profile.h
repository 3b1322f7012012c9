// The free slots of every host from now on.
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

// The free slots of every host over time, as running and planned jobs leave them. A value, for one thread.
//
// It is kept twice. Each host has its own steps, which are few and exact. For each width of a rank that was asked for
// there is one line over all hosts: how many such ranks fit at an instant. That is an upper bound of what fits during a
// stretch of time, and it rules out nearly all starts without a look at any host.
class SlotProfile {
 public:
  // The free slots from `at` until the next step, or for ever. Negative where more runs than the host has slots for,
  // after its slots were reduced.
  struct Step {
    UnixMs at = 0;
    std::int64_t free = 0;
  };

  // Starts with all open hosts empty. Closed hosts have no slots.
  SlotProfile(const std::vector<cluster::HostSlots>& hosts, UnixMs now);

  // Take slots, or give them back, from `from` (not before now) until before `to`.
  void Take(std::span<const SlotsOnHost> slots, UnixMs from, UnixMs to) { Change(slots, from, to, -1); }
  void GiveBack(std::span<const SlotsOnHost> slots, UnixMs from, UnixMs to) { Change(slots, from, to, 1); }

  // Returns the earliest time, not before `not_before` (nor before now), from which the gang fits for `duration_ms`.
  // Returns nothing when it never does.
  std::optional<UnixMs> EarliestStart(const cluster::GangShape& gang, std::int64_t duration_ms, UnixMs not_before);
  // Returns whether the gang fits from now on for `duration_ms`.
  bool FitsNow(const cluster::GangShape& gang, std::int64_t duration_ms);

  // Returns the first hosts that hold the gang from `from` until before `to`, each with as many ranks as it can take.
  // The gang must fit.
  //
  // A job that takes slots which these leave over does not change this choice when it is made again. So a job that
  // starts beside a plan of such choices, made in queue order, leaves every one of them as it is.
  std::vector<SlotsOnHost> FirstFit(const cluster::GangShape& gang, UnixMs from, UnixMs to) const;

  // Returns the fewest free slots of each host at any time from `from` until before `to`.
  std::vector<std::uint32_t> LeastFree(UnixMs from, UnixMs to) const;
  // Returns how many ranks of `slots_per_rank` fit now.
  std::int64_t RanksNow(std::uint32_t slots_per_rank) { return LineOf(slots_per_rank).front(); }
  std::size_t host_count() const { return steps_.size(); }
  std::span<const Step> StepsOf(std::uint32_t host) const { return steps_[host]; }

 private:
  using Line = std::vector<std::int64_t>;  // one entry per time of times_

  void Change(std::span<const SlotsOnHost> slots, UnixMs from, UnixMs to, std::int64_t sign);
  Line& LineOf(std::uint32_t slots_per_rank);
  // Returns the index of the last time that is not after `at`.
  std::size_t IndexOf(UnixMs at) const;
  void InsertTime(UnixMs at);
  std::int64_t LeastFreeOf(std::uint32_t host, UnixMs from, UnixMs to) const;

  std::vector<std::vector<Step>> steps_;  // by host; the first one is now
  std::vector<UnixMs> times_;             // of all steps, rising; the first one is now
  std::map<std::uint32_t, Line> lines_;   // by slots per rank
};

// Returns how many ranks fit into `free` slots.
inline std::int64_t RanksIn(std::int64_t free, std::uint32_t slots_per_rank) {
  return free <= 0 ? 0 : free / static_cast<std::int64_t>(slots_per_rank);
}

}  // namespace still::coordinator
