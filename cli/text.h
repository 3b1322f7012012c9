// How numbers are written for people.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/status.h"
#include "common/storage/artifact.h"
#include "common/unix_time.h"

namespace still::cli {

std::string WithThousands(std::uint64_t value);  // "1,234,567"
std::string DurationText(double seconds);        // "0.4 s", "12 s", "3:07", "1:02:03"

// A point in time as seen from `now`: "12 s ago", "in 4 min", "now"; empty for 0, which is none.
std::string RelativeText(UnixMs at, UnixMs now);
// "2026-11-22 13:05:00", UTC; empty for 0.
std::string DateText(UnixMs at);

// For a terminal: control characters are shown ("\\x1b", "\\n"), and so are bytes that are no UTF-8.
std::string Escaped(std::string_view text);

// "2h", "90m", "1.5h", "45s", "1d", in milliseconds. INVALID_ARGUMENT says what was expected; a number alone is one,
// too.
Result<std::int64_t> ParseDurationMs(const std::string& text);

// Fills `pattern` from `numbers`; empty when a number it names is missing. Fields:
//   {key} count with thousands    {key:3} three decimals    {key:%} per cent of 1    {key:MB} bytes as MB
std::string FillPattern(std::string_view pattern, const Summary& numbers);

}  // namespace still::cli
