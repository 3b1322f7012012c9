// The version of the protocol between clients, agents and the coordinator (common/proto/coordinator.proto).
// common/rpc/rpc.h has the limits and the delivery of messages.
#pragma once

#include <cstdint>

namespace still {

// Rises when a message changes its meaning. New fields alone do not raise it. The coordinator refuses clients of
// another version (CheckProtocol in coordinator/daemon/coordinator.cc).
inline constexpr std::uint32_t kProtocol = 2;

}  // namespace still
