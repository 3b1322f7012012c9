#include "cli/log_lines.h"

#include <charconv>
#include <utility>

#include "cli/text.h"

namespace still::cli {
namespace {

// Returns the rank that signed the line, if one did.
std::optional<std::uint32_t> Signer(std::string_view line) {
  constexpr std::string_view kMark = "/rank-";
  constexpr std::size_t kLongestSignature = 200;  // before it: time, level, stage
  const std::size_t at = line.substr(0, kLongestSignature).find(kMark);
  if (at == std::string_view::npos) return std::nullopt;
  std::uint32_t rank = 0;
  const char* begin = line.data() + at + kMark.size();
  const auto [end, error] = std::from_chars(begin, line.data() + line.size(), rank);
  if (error != std::errc() || end == line.data() + line.size() || *end != ':') return std::nullopt;
  return rank;
}

}  // namespace

bool LogLines::IsShown(std::string_view line) {
  if (!rank_) return true;
  if (const auto signer = Signer(line)) {
    shown_ = signer == rank_;
    (shown_ ? found_ : others_) = true;
  } else if (!found_ && !others_) {
    preface_ = true;
  }
  return shown_;
}

std::string LogLines::Add(std::string_view bytes) {
  unfinished_ += bytes;
  std::string shown;
  std::size_t begin = 0;
  for (std::size_t end; (end = unfinished_.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const std::string_view line = std::string_view(unfinished_).substr(begin, end - begin);
    if (IsShown(line)) shown += Escaped(line) + "\n";
  }
  unfinished_.erase(0, begin);
  return shown;
}

std::string LogLines::Rest() {
  const std::string line = std::exchange(unfinished_, "");
  return !line.empty() && IsShown(line) ? Escaped(line) + "\n" : "";
}

std::size_t TailBegin(std::string_view text, std::uint64_t lines) {
  if (lines == 0) return 0;
  std::size_t at = text.size();
  if (at > 0 && text[at - 1] == '\n') --at;  // this one ends the last line
  for (; at > 0; --at) {
    if (text[at - 1] == '\n' && --lines == 0) return at;
  }
  return 0;
}

}  // namespace still::cli
