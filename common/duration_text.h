// Durations as people read them, in messages and tables.
#pragma once

#include <cstdint>
#include <string>

namespace still {

// Returns "0.4 s", "7 s", "4 min 5 s", "3 h 20 min" or "2 d 4 h". Ten seconds and more are rounded to whole ones, and
// less to tenths. A negative duration counts as 0.
std::string DurationText(std::int64_t milliseconds);
// Returns the same for a duration in seconds. It must be finite and below 100 million years.
std::string SecondsText(double seconds);

}  // namespace still
