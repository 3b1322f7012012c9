// Named places where a test may make this process fail: FaultPoint("corpus.shard.commit"). Off, it costs one branch.
// Armed by the environment: STILL_FAULT="<point>:<n>:<kind>" acts the n-th time (1 = first) this process passes the
// point; STILL_FAULT_RANK limits it to the process whose MPI rank (OMPI_COMM_WORLD_RANK) equals it.
//   kinds: kill (SIGKILL itself), error (Hit returns an error), enospc (Hit returns RESOURCE_EXHAUSTED)
#pragma once

#include <string_view>

#include "common/status.h"

namespace still {

namespace internal {
extern const bool fault_armed;
Status HitFault(std::string_view point);
}  // namespace internal

inline Status FaultPoint(std::string_view point) {
  if (!internal::fault_armed) [[likely]]
    return Ok();
  return internal::HitFault(point);
}

}  // namespace still
