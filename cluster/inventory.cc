#include "cluster/inventory.h"

#include <sched.h>

#include <algorithm>
#include <map>
#include <optional>
#include <thread>

#include "common/parse_number.h"
#include "common/storage/files.h"

namespace still::cluster {
namespace {

constexpr std::size_t kLongestName = 253;  // DNS
constexpr std::string_view kBlanks = " \t\r\v\f";

bool IsLetterOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

// Returns the name in lower case, because DNS does not tell upper from lower case.
std::string Lower(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

// Quotes a text of a file for a message. The result is short, and nothing in it moves a terminal's cursor.
std::string Quoted(std::string_view text) {
  std::string shown(text.substr(0, 60));
  for (char& c : shown) {
    if (c < ' ' || c > '~') c = '?';
  }
  return "'" + shown + (text.size() > 60 ? "...'" : "'");
}

// Splits a line into words. '=' is a word of its own, so that "slots = 4" reads as "slots=4" does.
std::vector<std::string_view> WordsOf(std::string_view line) {
  line = line.substr(0, line.find('#'));
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t begin = line.find_first_not_of(kBlanks);
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    const std::size_t end = line.front() == '=' ? 1 : line.find_first_of(" \t\r\v\f=");
    words.push_back(line.substr(0, end));
    line.remove_prefix(words.back().size());
  }
}

std::optional<std::uint32_t> SlotsIn(std::string_view text) {
  std::uint32_t slots = 0;
  return ParseNumber(text, &slots) && slots > 0 && slots <= kMostSlots ? std::optional(slots) : std::nullopt;
}

// Reads the host of one line. The caller adds the place to an error.
Result<HostSlots> HostOf(const std::vector<std::string_view>& words) {
  if (!IsHostName(words[0])) {
    return Error(Code::kInvalidArgument,
                 "{} is not a host name: use letters, digits, '.', '-' and '_', and begin with a letter or digit",
                 Quoted(words[0]));
  }
  HostSlots host{.name = std::string(words[0]), .slots = 1, .open = true, .closed_because = ""};
  if (words.size() == 1) return host;
  if (words[1] != "slots" || words.size() < 4 || words[2] != "=") {
    return Error(Code::kInvalidArgument, "only slots=N may follow the host's name, not {}", Quoted(words[1]));
  }
  const std::optional<std::uint32_t> slots = SlotsIn(words[3]);
  if (!slots) {
    return Error(Code::kInvalidArgument, "slots is a number from 1 to {}, not {}", kMostSlots, Quoted(words[3]));
  }
  if (words.size() > 4) {
    return Error(Code::kInvalidArgument, "nothing but slots=N is understood; remove {}", Quoted(words[4]));
  }
  host.slots = *slots;
  return host;
}

std::uint32_t UsableCores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  const bool known = ::sched_getaffinity(0, sizeof(cores), &cores) == 0;
  return std::max(1U, known ? static_cast<unsigned>(CPU_COUNT(&cores)) : std::thread::hardware_concurrency());
}

}  // namespace

bool IsHostName(std::string_view name) {
  if (name.empty() || name.size() > kLongestName || !IsLetterOrDigit(name.front())) return false;
  return std::ranges::all_of(name, [](char c) { return IsLetterOrDigit(c) || c == '.' || c == '-' || c == '_'; });
}

Result<std::vector<HostSlots>> ParseHostfile(std::string_view text, const std::string& path) {
  std::vector<HostSlots> hosts;
  std::map<std::string, std::size_t> line_of;  // the name in lower case -> its line
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = text.find('\n');
    const std::vector<std::string_view> words = WordsOf(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (words.empty()) continue;
    auto host = HostOf(words);
    if (!host.ok()) return host.status().At({.file = path, .line = static_cast<int>(line)});
    const auto [before, fresh] = line_of.emplace(Lower(host->name), line);
    if (!fresh) {
      return Error(Code::kInvalidArgument, "host {} is listed in line {} already: give all of its slots there",
                   host->name, before->second)
          .At({.file = path, .line = static_cast<int>(line)});
    }
    hosts.push_back(*std::move(host));
  }
  if (hosts.empty())
    return Error(Code::kInvalidArgument, "no host in it: write one per line, NAME slots=N").At({.file = path});
  return hosts;
}

Result<std::vector<HostSlots>> LoadInventory(const std::string& hostfile) {
  if (hostfile.empty()) {
    return std::vector<HostSlots>{{.name = kLocalHost, .slots = UsableCores(), .open = true, .closed_because = ""}};
  }
  auto text = ReadFile(hostfile);
  if (!text.ok()) return text.status().WithContext("hostfile");
  return ParseHostfile(*text, hostfile);
}

}  // namespace still::cluster
