// Pauses that grow with every failure in a row.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace still {

// Returns the pause `first`, doubled `times` times, and at most `longest`. Does not overflow for any `times`.
inline std::chrono::milliseconds Backoff(std::chrono::milliseconds first, std::chrono::milliseconds longest,
                                         std::uint32_t times) {
  std::chrono::milliseconds pause = first;
  for (; times > 0 && pause < longest && pause.count() > 0; --times) pause *= 2;
  return std::min(pause, longest);
}

}  // namespace still
