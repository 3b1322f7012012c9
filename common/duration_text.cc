#include "common/duration_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace still {

std::string DurationText(std::int64_t milliseconds) {
  const double exact = static_cast<double>(std::max<std::int64_t>(0, milliseconds)) / 1000;
  if (exact < 10) return fmt::format("{} s", std::round(exact * 10) / 10);
  const std::int64_t seconds = std::llround(exact);
  if (seconds < 60) return fmt::format("{} s", seconds);
  if (seconds < 3600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  if (seconds < 86'400) return fmt::format("{} h {} min", seconds / 3600, seconds % 3600 / 60);
  return fmt::format("{} d {} h", seconds / 86'400, seconds % 86'400 / 3600);
}

std::string SecondsText(double seconds) { return DurationText(std::llround(seconds * 1000)); }

}  // namespace still
