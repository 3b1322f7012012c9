// The version of what clients and agents say to the coordinator (common/proto/coordinator.proto).
#pragma once

#include <cstdint>

namespace still {

// Rises when a message changes its meaning; new fields alone do not.
inline constexpr std::uint32_t kProtocol = 1;

}  // namespace still
