#include "cli/text.h"

#include <fmt/format.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ctime>

#include "common/enum_words.h"

namespace still::cli {
namespace {

std::string NumberText(double value, std::string_view form) {
  if (form.empty()) return value < 0 ? fmt::format("{:.0f}", value) : WithThousands(static_cast<std::uint64_t>(value));
  if (form == "MB") return fmt::format("{:.1f} MB", value / 1e6);
  return fmt::format("{:.{}f}", value, form[0] - '0');
}

}  // namespace

std::string WithThousands(std::uint64_t value) {
  std::string text = std::to_string(value);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
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

std::string CountText(std::uint64_t done, std::uint64_t total, stillhouse::v1::ProgressUnit unit) {
  if (unit != stillhouse::v1::PROGRESS_UNIT_BYTES)
    return fmt::format("{}/{} {}", WithThousands(done), WithThousands(total), EnumWord(unit));
  return fmt::format("{:.1f}/{:.1f} MB", static_cast<double>(done) / 1e6, static_cast<double>(total) / 1e6);
}

std::string BarText(double share, int columns) {
  const int filled = static_cast<int>(share * columns);
  return fmt::format("[{:=<{}}{: <{}}]", "", filled, "", columns - filled);
}

std::string Escaped(std::string_view text) {
  std::string shown;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    UChar32 point = 0;  // negative for bytes that are not UTF-8
    U8_NEXT(text.data(), at, text.size(), point);
    if (point == '\n') {
      shown += "\\n";
    } else if (point == '\t') {
      shown += "\\t";
    } else if (point < 0x20 || (point >= 0x7F && point < 0xA0)) {
      for (const char c : text.substr(begin, at - begin))
        shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      shown += text.substr(begin, at - begin);
    }
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
