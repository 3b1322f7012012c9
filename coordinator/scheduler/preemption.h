// Chooses which running jobs would have to give up their slots for a gang to start soon. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cluster/placement.h"
#include "common/unix_time.h"
#include "coordinator/scheduler/slot_profile.h"

namespace still::coordinator {

// A running job that may be chosen to make way.
struct Candidate {
  std::uint64_t id = 0;
  std::int32_t priority = 0;
  UnixMs started_ms = 0;
  UnixMs end_ms = 0;  // until when `profile` counts its slots as taken
  std::span<const SlotsOnHost> slots;
};

// Returns the positions in `candidates` of the victims: together with what is free in `profile`, their slots hold the
// gang from `from` until before `to`. Returns none when not even all candidates make enough room. Few are chosen: the
// candidate that helps most is taken first, so that one alone is found where one suffices. Among equals the lowest in
// priority goes, then the youngest. None of the victims can be left out. A caller that turns out to need fewer drops
// them from the front.
std::vector<std::size_t> ChooseVictims(const SlotProfile& profile, std::span<const Candidate> candidates,
                                       const cluster::GangShape& gang, UnixMs from, UnixMs to);

}  // namespace still::coordinator
