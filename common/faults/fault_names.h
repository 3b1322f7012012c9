// The list of every fault point of the tree. tidy_test compares it with the sources.
#pragma once

#include <span>
#include <string_view>

#include "common/status.h"

namespace still {

struct FaultName {
  std::string_view call;  // FaultPoint, or the call for one kind alone: FaultTears, FaultSpoils, FaultFlips
  std::string_view point;
};
std::span<const FaultName> FaultNames();

// Checks that a fault of this kind can strike at `point`, which may begin with a scope. `kind` is the name without a
// number: "delay". INVALID_ARGUMENT names a near point, or all points that can.
Status CheckFaultName(std::string_view point, std::string_view kind);

}  // namespace still
