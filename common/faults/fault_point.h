// Named places where a test or `still run --fault` may make this process fail: FaultPoint("vote"). Off, one costs a
// branch. Armed by the environment: STILL_FAULT="<rank>:<step>:<point>:<kind>[@<launch>]", several separated by commas.
//   rank    OMPI_COMM_WORLD_RANK, or * for any process
//   step    the training step in progress (SetFaultStep, whichever thread passes the point); in a process that never
//           set one, the how-manieth pass of the point (1 = the first). Acts once a process. * acts at every pass
//   point   its name, or "<scope>.<name>" with the scope that SetFaultScope said ("train.vote") or a FaultScope of the
//           thread ("checkpoint.write")
//   kind    kill (SIGKILL itself), stop (SIGSTOP itself), delay<ms>, error (an INTERNAL status), enospc
//           (RESOURCE_EXHAUSTED), torn (FaultTears says so: half of what was written is lost, then SIGKILL), nan
//           (FaultSpoils says so: what was computed is not a number), flip (FaultFlips says so: one bit of it is wrong)
//   launch  the how-manieth mpirun of its stage in this `still run` (STILL_LAUNCH, 1 when unset); 1 unless given; * for
//           every one
// A specification that cannot be read ends the process when it starts; a point that is not there is never passed, and
// only a command line's are looked up (fault_names.h) and watched (fault_watch.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/status.h"

namespace still {

namespace internal {
extern bool fault_armed;  // written before main and by ArmFaults only
Status HitFault(std::string_view point);
bool HitTear(std::string_view point);
bool HitNan(std::string_view point);
bool HitFlip(std::string_view point);
}  // namespace internal

inline Status FaultPoint(std::string_view point) {
  if (!internal::fault_armed) [[likely]]
    return Ok();
  return internal::HitFault(point);
}

// For the writer of a file that may be torn here: true when it must lose half of it and die. "torn" acts nowhere else,
// and only the passes through here count for it.
inline bool FaultTears(std::string_view point) { return internal::fault_armed && internal::HitTear(point); }

// For who computed something that may come out wrong here: true when it must be NaN. As for FaultTears.
inline bool FaultSpoils(std::string_view point) { return internal::fault_armed && internal::HitNan(point); }

// Likewise: true when one bit of it must be wrong, so that nobody sees it.
inline bool FaultFlips(std::string_view point) { return internal::fault_armed && internal::HitFlip(point); }

// What a specification's step and scope are compared with. Any thread.
void SetFaultStep(std::uint64_t step);
void SetFaultScope(std::string_view scope);

// A second scope, of this thread, while it exists. `scope` outlives it.
class FaultScope {
 public:
  explicit FaultScope(std::string_view scope);
  ~FaultScope();
  FaultScope(const FaultScope&) = delete;
  FaultScope& operator=(const FaultScope&) = delete;
};

// INVALID_ARGUMENT says what is wrong with one specification (of a command line), also that there is no such point.
Status CheckFaultSpecification(std::string_view specification);

// Arms this process and those it starts from now on with these specifications instead of the ones it was started with.
// Before the first thread; INVALID_ARGUMENT when one of them is wrong: nothing was armed then.
Status ArmFaults(const std::string& comma_separated);

}  // namespace still
