// Durations in messages.
#pragma once

#include <cstdint>
#include <string>

namespace still {

// Returns "7 s", "4 min 5 s", "3 h 20 min" or "2 d 4 h". A started second counts as a whole one.
std::string DurationText(std::int64_t milliseconds);

}  // namespace still
