// The number by which a process is told from its predecessor under the same rank (control.proto, Envelope).
#pragma once

#include <sys/random.h>

#include <cerrno>
#include <cstdint>

#include "common/check.h"

namespace still::worker {

// From the kernel; drawn once by each process that speaks, after any fork.
inline std::uint64_t DrawIncarnation() {
  std::uint64_t drawn = 0;
  while (getrandom(&drawn, sizeof drawn, 0) != static_cast<ssize_t>(sizeof drawn)) {
    STILL_CHECK(errno == EINTR, "the kernel gives no random bytes");
  }
  return drawn;
}

}  // namespace still::worker
