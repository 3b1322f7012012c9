// How long to wait before another attempt.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace still {

// Returns first * 2^times, but at most `longest`. `times` counts the attempts that failed since the first pause.
inline std::chrono::milliseconds Backoff(std::chrono::milliseconds first, std::chrono::milliseconds longest,
                                         std::uint32_t times) {
  for (; times > 0 && first < longest && first.count() > 0; --times) first *= 2;
  return std::min(first, longest);
}

}  // namespace still
