// Chooses what `still logs` shows of a log that grows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace still::cli {

// Turns the bytes of a growing log into the lines to show. At the end of the log, call Rest.
class LogLines {
 public:
  // Shows the lines of `rank`, or without one all lines.
  explicit LogLines(std::optional<std::uint32_t> rank) : rank_(rank) {}

  // Returns the lines that `bytes` completes, escaped for a terminal.
  std::string Add(std::string_view bytes);
  // Returns the last line, which has no line break.
  std::string Rest();
  // Returns true when a rank was asked for and no line is its own. A log in which no rank has signed a line (see below)
  // misses none, because its lines belong to all ranks.
  bool MissesItsRank() const { return rank_ && !found_ && (others_ || !preface_); }

 private:
  // A rank signs its lines with "<time> <level> <stage>/rank-<n>: ". An unsigned line belongs to the line before it.
  bool IsShown(std::string_view line);

  const std::optional<std::uint32_t> rank_;
  std::string unfinished_;
  bool shown_ = true;     // whether the last signed line was shown
  bool preface_ = false;  // there was a line before any signed one
  bool found_ = false;    // the rank signed a line
  bool others_ = false;   // another rank signed a line
};

// Returns where the last `lines` lines of `text` begin. 0 lines stand for the whole text.
std::size_t TailBegin(std::string_view text, std::uint64_t lines);

}  // namespace still::cli
