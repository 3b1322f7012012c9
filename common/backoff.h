// Pauses between tries that fail one after the other.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace still {

// Returns `first` doubled `times` times, at most `longest`. Backoff(1 s, 30 s, 0) is 1 s and Backoff(1 s, 30 s, 5) is
// 30 s. Any number of times is fine: nothing overflows.
inline std::chrono::milliseconds Backoff(std::chrono::milliseconds first, std::chrono::milliseconds longest,
                                         std::uint32_t times) {
  std::chrono::milliseconds pause = std::min(first, longest);
  for (; times > 0 && pause.count() > 0 && pause < longest; --times) pause = std::min(2 * pause, longest);
  return pause;
}

}  // namespace still
