// Every fault point of the tree, by the call that passes it (tidy_test compares the list with the sources).
#pragma once

#include <span>
#include <string_view>

#include "common/status.h"

namespace still {

struct FaultName {
  std::string_view call;  // FaultPoint, or FaultTears, FaultSpoils, FaultFlips: for the one kind that it carries out
  std::string_view point;
};
std::span<const FaultName> FaultNames();

// INVALID_ARGUMENT, naming near ones, unless `point`, or what follows the scope in it, is passed by a call that carries
// out `kind` (its name without a number: "delay").
Status CheckFaultName(std::string_view point, std::string_view kind);

}  // namespace still
