// still logs
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cli/connection.h"
#include "common/status.h"

namespace still::cli {

struct LogsFlags {
  ConnectionFlags connection;
  std::string job;
  bool follow = false;                // until the job ends
  std::optional<std::uint32_t> rank;  // lines of this one only
  std::uint64_t tail = 0;             // begin with the last so many lines; 0: with the first
};

Status LogsCommand(const LogsFlags& flags);

// Turns a growing log into what is shown of it. One that is not followed ends with Rest.
class LogLines {
 public:
  explicit LogLines(std::optional<std::uint32_t> rank) : rank_(rank) {}

  // The lines that `bytes` completes, escaped for a terminal.
  std::string Take(std::string_view bytes);
  // The line without an end.
  std::string Rest();
  // One was asked for, and nothing is of it; of a log that no rank has signed, all is of all of them.
  bool MissesItsRank() const { return rank_ && !found_ && (others_ || !preface_); }

 private:
  // A rank signs its lines "<time> <level> <stage>/rank-<n>: "; unsigned ones belong to the line before, the first ones
  // to every rank: where its ranks write instead, what mpirun has to say.
  bool IsShown(std::string_view line);

  const std::optional<std::uint32_t> rank_;
  std::string unfinished_;
  bool shown_ = true;                                      // the last signed line
  bool preface_ = false, found_ = false, others_ = false;  // there were lines of nobody, of the rank, of other ones
};

// Where the last `lines` lines of `text` begin; the whole of it for 0.
std::size_t TailBegin(std::string_view text, std::uint64_t lines);

}  // namespace still::cli
