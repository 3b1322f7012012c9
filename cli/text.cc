#include "cli/text.h"

#include <fmt/format.h>

#include <cmath>

namespace still::cli {
namespace {

std::string NumberText(double value, std::string_view form) {
  if (form.empty()) return value < 0 ? fmt::format("{:.0f}", value) : WithThousands(static_cast<std::uint64_t>(value));
  if (form == "%") return fmt::format("{:.1f} %", 100 * value);
  if (form == "MB") return fmt::format("{:.1f} MB", value / 1e6);
  return fmt::format("{:.{}f}", value, form[0] - '0');
}

}  // namespace

std::string WithThousands(std::uint64_t value) {
  std::string text = std::to_string(value);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

std::string DurationText(double seconds) {
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::uint64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02} min", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02} h", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string FillPattern(std::string_view pattern, const Summary& numbers) {
  std::string text;
  while (!pattern.empty()) {
    const std::size_t open = pattern.find('{');
    text += pattern.substr(0, open);
    if (open == std::string_view::npos) break;
    const std::size_t close = pattern.find('}', open);
    const std::string_view field = pattern.substr(open + 1, close - open - 1);
    const std::size_t colon = field.find(':');
    const auto number = numbers.find(std::string(field.substr(0, colon)));
    if (number == numbers.end() || !std::isfinite(number->second)) return "";
    text += NumberText(number->second, colon == std::string_view::npos ? "" : field.substr(colon + 1));
    pattern.remove_prefix(close + 1);
  }
  return text;
}

}  // namespace still::cli
