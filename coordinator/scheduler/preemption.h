// Whose slots would let a gang start soon. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cluster/placement.h"
#include "common/unix_time.h"
#include "coordinator/scheduler/slot_profile.h"

namespace still::coordinator {

// A running job that may be asked to make way.
struct Candidate {
  std::uint64_t id = 0;
  std::int32_t priority = 0;
  UnixMs started_ms = 0;
  UnixMs end_ms = 0;  // until when `profile` counts its slots as taken
  std::span<const SlotsOnHost> slots;
};

// Positions in `candidates` of those whose slots together with what is free in `profile` hold the gang from `from`
// until before `to`; none when all of them do not. Few of them (whoever helps most is taken first: one alone is found
// where one suffices), then the lowest in priority, then the youngest; none of those returned can be left out. Those
// that should be spared first come first.
std::vector<std::size_t> ChooseVictims(const SlotProfile& profile, std::span<const Candidate> candidates,
                                       const cluster::GangShape& gang, UnixMs from, UnixMs to);

}  // namespace still::coordinator
