// The number that tells a process from its predecessor under the same rank (control.proto, Envelope).
#pragma once

#include <cstdint>

#include "common/entropy.h"

namespace still::worker {

// Returns a new random number. Each process that sends messages draws one, after any fork.
inline std::uint64_t DrawIncarnation() {
  std::uint64_t drawn = 0;
  FillWithEntropy(std::as_writable_bytes(std::span(&drawn, 1)));
  return drawn;
}

}  // namespace still::worker
