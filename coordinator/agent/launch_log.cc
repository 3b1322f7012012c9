#include "coordinator/agent/launch_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "common/files.h"

namespace still::coordinator {

std::string LogSince(const std::string& path, std::uint64_t begin) {
  const Result<std::string> log = ReadFile(path);
  return log.ok() && log->size() > begin ? log->substr(begin) : "";
}

std::string LastLines(std::string_view log, std::size_t count) {
  while (log.ends_with('\n')) log.remove_suffix(1);
  std::size_t begin = log.size();
  while (begin > 0 && count > 0) {
    const std::size_t newline = log.rfind('\n', begin - 1);
    begin = newline == std::string_view::npos ? 0 : newline;
    --count;
  }
  log.remove_prefix(begin < log.size() && log[begin] == '\n' ? begin + 1 : begin);
  std::string lines;
  for (std::size_t at = 0; at < log.size();) {
    const std::size_t end = std::min(log.find('\n', at), log.size());
    lines += fmt::format("\n    {}", log.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

std::optional<std::uint32_t> RankThatMpirunNoticed(std::string_view log) {
  constexpr std::string_view kBefore = " noticed that process rank ";
  const std::size_t found = log.find(kBefore);
  if (found == std::string_view::npos) return std::nullopt;
  const std::string_view digits = log.substr(found + kBefore.size());
  std::uint32_t rank = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), rank);
  return error == std::errc() ? std::optional(rank) : std::nullopt;
}

}  // namespace still::coordinator
