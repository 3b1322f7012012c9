// Randomness from the kernel: for keys, and for names that nobody else has. What must be drawn again the same is in
// common/random.h. Thread-safe.
#pragma once

#include <sys/random.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/check.h"

namespace still {

inline void FillWithEntropy(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t drawn = ::getrandom(bytes.data(), bytes.size(), 0);
    STILL_CHECK(drawn > 0 || errno == EINTR, "the kernel gives no random bytes");
    if (drawn > 0) bytes = bytes.subspan(static_cast<std::size_t>(drawn));
  }
}

}  // namespace still
