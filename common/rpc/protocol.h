// The version of the protocol between clients, agents and the coordinator (common/proto/coordinator.proto).
#pragma once

#include <cstdint>

namespace still {

// Rises when a message changes its meaning. New fields alone do not raise it.
inline constexpr std::uint32_t kProtocol = 2;

}  // namespace still
