// How numbers are written for people.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/artifact.h"

namespace still::cli {

std::string WithThousands(std::uint64_t value);  // "1,234,567"
std::string DurationText(double seconds);        // "0.4 s", "12 s", "3:07", "1:02:03"

// Fills `pattern` from `numbers`; empty when a number it names is missing. Fields:
//   {key} count with thousands    {key:3} three decimals    {key:%} per cent of 1    {key:MB} bytes as MB
std::string FillPattern(std::string_view pattern, const Summary& numbers);

}  // namespace still::cli
