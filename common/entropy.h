// Randomness from the kernel, for keys and unique names. Draws that must be repeatable are in common/random.h.
#pragma once

#include <sys/random.h>

#include <cerrno>
#include <cstddef>
#include <span>

#include "common/check.h"

namespace still {

// Fills `bytes`. Waits early at boot until the kernel has randomness. Thread-safe.
inline void FillWithEntropy(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t drawn = ::getrandom(bytes.data(), bytes.size(), 0);
    STILL_CHECK(drawn > 0 || errno == EINTR, "the kernel gives no random bytes");
    if (drawn > 0) bytes = bytes.subspan(static_cast<std::size_t>(drawn));
  }
}

}  // namespace still
