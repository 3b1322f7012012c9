// Writes numbers, times and foreign text for people, and parses the durations that they type.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/proto/vocabulary.pb.h"
#include "common/status.h"
#include "common/storage/artifact.h"
#include "common/unix_time.h"

namespace still::cli {

std::string WithThousands(std::uint64_t value);  // "1,234,567"

// Returns `at` as seen from `now`: "12 s ago", "in 4 min", "now". A time of 0 is unknown and gives "".
std::string RelativeText(UnixMs at, UnixMs now);
// Returns the time in UTC, "2026-11-22 13:05:00", or "" for 0.
std::string DateText(UnixMs at);

// Returns done/total, at most 1. A total of 0 is unknown and gives 0.
double ShareOf(std::uint64_t done, std::uint64_t total);
// Returns "123/400 steps". Bytes become megabytes: "1.5/3.0 MB".
std::string CountText(std::uint64_t done, std::uint64_t total, stillhouse::v1::ProgressUnit unit);
// Returns a progress bar with `columns` columns between its brackets.
std::string BarText(double share, int columns);

// Makes text safe for a terminal: control characters, and bytes that are not UTF-8, become escapes such as \n and \x1b.
std::string Escaped(std::string_view text);

// Parses "45s", "90m", "1.5h" or "1d" and returns milliseconds. Anything else, also a number without a unit, is
// INVALID_ARGUMENT.
Result<std::int64_t> ParseDurationMs(const std::string& text);

// Fills the fields of `pattern` from `numbers`. Returns "" when one of the numbers is missing. Fields:
//   {key} count with thousands    {key:3} three decimals    {key:MB} bytes as MB
std::string FillPattern(std::string_view pattern, const Summary& numbers);

}  // namespace still::cli
