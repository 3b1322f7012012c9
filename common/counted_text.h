// Counts of things as people read them.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace still {

// Returns "1 rank" or "2 ranks". The plural of `noun` must be the noun and an "s".
inline std::string Counted(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace still
