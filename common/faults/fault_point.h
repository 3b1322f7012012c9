// Named places where a test or `still run --fault` can make this process fail: FaultPoint("vote"). A point costs a
// branch when no fault is armed.
//
// The environment arms faults: STILL_FAULT="<rank>:<step>:<point>:<kind>[@<launch>]", several separated by commas.
//
// clang-format off
//   rank    OMPI_COMM_WORLD_RANK, or * for any process
//   step    the training step in progress (SetFaultStep), whichever thread passes the point. In a process that never
//           set a step: which pass of the point, counting from 1. A fault acts once per process; * acts at every pass
//   point   its name, or "<scope>.<name>". The scope is that of SetFaultScope ("train.vote") or a FaultScope of the
//           thread ("checkpoint.write")
//   kind    kill      sends itself SIGKILL
//           stop      sends itself SIGSTOP
//           delay<ms> sleeps
//           error     returns INTERNAL
//           enospc    returns RESOURCE_EXHAUSTED
//           torn      FaultTears returns true: half of what was written is lost, then SIGKILL
//           nan       FaultSpoils returns true: the result becomes NaN
//           flip      FaultFlips returns true: one bit of the result is wrong
//   launch  which launch of its stage in this run (STILL_LAUNCH), counting from 1; 1 unless given; * for every launch
// clang-format on
//
// A specification that cannot be parsed ends the process when it starts. Whether the point exists is checked only for
// faults of a command line (fault_names.h).
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

// Returns true when the writer of a file must lose half of it and die. "torn" acts at these calls alone, and only their
// passes count for it.
inline bool FaultTears(std::string_view point) { return internal::fault_armed && internal::HitTear(point); }

// Returns true when a test asked this point to produce a NaN. Passes count as for FaultTears.
inline bool FaultSpoils(std::string_view point) { return internal::fault_armed && internal::HitNan(point); }

// Returns true when a test asked this point to flip one bit, an error that no check of a value notices.
inline bool FaultFlips(std::string_view point) { return internal::fault_armed && internal::HitFlip(point); }

// Set what the step and the scope of a specification are compared with. Any thread may call them.
void SetFaultStep(std::uint64_t step);
void SetFaultScope(std::string_view scope);

// Adds a second scope for this thread while it exists. The text of `scope` must outlive it.
class FaultScope {
 public:
  explicit FaultScope(std::string_view scope);
  ~FaultScope();
  FaultScope(const FaultScope&) = delete;
  FaultScope& operator=(const FaultScope&) = delete;
};

// Checks one specification of a command line. INVALID_ARGUMENT says what is wrong, also that there is no such point.
Status CheckFaultSpecification(std::string_view specification);

// Arms this process, and those that it starts from now on, with these specifications instead of earlier ones. Call it
// before the first thread. INVALID_ARGUMENT when one of them is wrong; then nothing changes.
Status ArmFaults(const std::string& comma_separated);

}  // namespace still
