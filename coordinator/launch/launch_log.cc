#include "coordinator/launch/launch_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "common/storage/files.h"

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

std::optional<std::string> HostThatMpirunLost(std::string_view log) {
  struct Notice {
    std::string_view title, before_host;
    std::string_view must_follow;  // somewhere after the host
  };
  // Status 255 is a failure of ssh itself. With any other status the daemon did start on the host.
  constexpr std::array kNotices = {
      Notice{" has lost communication with a remote daemon", "Remote daemon:", ""},
      Notice{"A daemon failed to report back after being spawned", "Remote host:", "Daemon exit status: 255"},
  };
  // Open MPI 4 does not name the host, but ssh does.
  constexpr std::string_view kNoDaemon4 = "ORTE was unable to reliably start one or more daemons";
  constexpr std::string_view kSshFailed = "ssh: connect to host ";
  if (const std::size_t at = log.find(kSshFailed); at != std::string_view::npos && log.find(kNoDaemon4) != log.npos) {
    const std::string_view rest = log.substr(at + kSshFailed.size());
    return std::string(rest.substr(0, rest.find(' ')));
  }
  for (const Notice& notice : kNotices) {
    std::size_t at = log.find(notice.title);
    if (at == std::string_view::npos) continue;
    at = log.find(notice.before_host, at);
    if (at == std::string_view::npos) continue;
    const std::string_view line = log.substr(at, log.find('\n', at) - at);
    const std::string_view host = line.substr(line.find_last_of(" \t") + 1);
    if (log.find(notice.must_follow, at) != std::string_view::npos && !host.empty()) return std::string(host);
  }
  return std::nullopt;
}

}  // namespace still::coordinator
