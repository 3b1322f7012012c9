// Names of states and causes, for people and programs: "PENDING", "PROCESS_DEATH"; empty for the unspecified ones.
#pragma once

#include <string>

#include "common/proto/coordinator.pb.h"

namespace still::coordinator {

std::string StateName(stillhouse::v1::JobState state);
std::string CauseName(stillhouse::v1::Cause cause);
// "job 3 (demo/train)".
std::string JobText(const stillhouse::v1::Job& job);
// "a:2, b:1".
std::string PlacementText(const stillhouse::v1::Job& job);

}  // namespace still::coordinator
