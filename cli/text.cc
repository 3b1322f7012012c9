#include "cli/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ctime>

namespace still::cli {
namespace {

std::string NumberText(double value, std::string_view form) {
  if (form.empty()) return value < 0 ? fmt::format("{:.0f}", value) : WithThousands(static_cast<std::uint64_t>(value));
  if (form == "MB") return fmt::format("{:.1f} MB", value / 1e6);
  return fmt::format("{:.{}f}", value, form[0] - '0');
}

// Returns the number of bytes of the code point at the beginning of `text`, or 0 when there is none.
std::size_t CodePointBytes(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const std::size_t length = first < 0x80                    ? 1
                             : first >= 0xC2 && first < 0xE0 ? 2
                             : first >= 0xE0 && first < 0xF0 ? 3
                             : first >= 0xF0 && first < 0xF5 ? 4
                                                             : 0;
  if (length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) return 0;
  }
  return length;
}

}  // namespace

std::string WithThousands(std::uint64_t value) {
  std::string text = std::to_string(value);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

std::string ElapsedText(double seconds) {
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::uint64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02} min", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02} h", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string RelativeText(UnixMs at, UnixMs now) {
  if (at == 0) return "";
  const std::int64_t seconds = std::llabs(at - now) / 1000;
  if (seconds == 0) return "now";
  const std::string amount = seconds < 120             ? fmt::format("{} s", seconds)
                             : seconds < 2 * 3600      ? fmt::format("{} min", seconds / 60)
                             : seconds < 2 * 24 * 3600 ? fmt::format("{} h", seconds / 3600)
                                                       : fmt::format("{} days", seconds / (24 * 3600));
  return at < now ? amount + " ago" : "in " + amount;
}

std::string DateText(UnixMs at) {
  if (at == 0) return "";
  const std::time_t seconds = at / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec);
}

double ShareOf(std::uint64_t done, std::uint64_t total) {
  return total == 0 ? 0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
}

std::string CountText(std::uint64_t done, std::uint64_t total, std::string_view unit) {
  if (unit != "bytes") return fmt::format("{}/{} {}", WithThousands(done), WithThousands(total), unit);
  return fmt::format("{:.1f}/{:.1f} MB", static_cast<double>(done) / 1e6, static_cast<double>(total) / 1e6);
}

std::string BarText(double share, int columns) {
  const int filled = static_cast<int>(share * columns);
  return fmt::format("[{:=<{}}{: <{}}]", "", filled, "", columns - filled);
}

std::string Escaped(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const std::size_t length = CodePointBytes(text);
    const std::string_view point = text.substr(0, std::max<std::size_t>(1, length));
    const auto byte = static_cast<unsigned char>(text[0]);
    // U+0080 to U+009F, encoded as "\xC2\x80" to "\xC2\x9F", are control characters, too.
    const bool high_control = length == 2 && byte == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0;
    if (text[0] == '\n') {
      shown += "\\n";
    } else if (text[0] == '\t') {
      shown += "\\t";
    } else if (length == 0 || byte < 0x20 || byte == 0x7F || high_control) {
      for (const char c : point) shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      shown += point;
    }
    text.remove_prefix(point.size());
  }
  return shown;
}

Result<std::int64_t> ParseDurationMs(const std::string& text) {
  double amount = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), amount);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const double seconds = unit == "s"                    ? 1
                         : unit == "m" || unit == "min" ? 60
                         : unit == "h"                  ? 3600
                         : unit == "d"                  ? 86400
                                                        : 0;
  // Files count in minutes, so a number without a unit could mean minutes or seconds.
  if (error == std::errc() && std::isfinite(amount) && unit.empty())
    return Error(Code::kInvalidArgument, "'{}' has no unit; write a duration like 45s, 90m, 2h or 1d", text);
  constexpr double kMostMs = 1e15;  // 30,000 years
  if (error != std::errc() || seconds == 0 || !(amount > 0) || amount * seconds * 1000 > kMostMs)
    return Error(Code::kInvalidArgument, "'{}' is not a duration; write one like 45s, 90m, 2h or 1d", text);
  return std::max<std::int64_t>(1, std::llround(amount * seconds * 1000));
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
