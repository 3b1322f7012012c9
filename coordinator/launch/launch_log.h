// Reads the log of a dead launch, which holds stdout and stderr of mpirun and its ranks.
//
// mpirun tells nobody but its log which rank's death it noticed and which host it lost. No message carries these facts,
// so they are searched in its text, as Open MPI 4 and 5 write it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace still::coordinator {

// Returns what was appended to the log since it had `begin` bytes, or an empty text when it cannot be read.
std::string LogSince(const std::string& path, std::uint64_t begin);

// Returns the last `count` lines, each indented on a line of its own. Returns an empty text when there are none.
std::string LastLines(std::string_view log, std::size_t count);

// Returns the rank whose death mpirun noticed first ("mpirun noticed that process rank 1 with PID ...").
std::optional<std::uint32_t> RankThatMpirunNoticed(std::string_view log);
// Returns the host that mpirun could not reach or lost contact with, by the name that mpirun was given.
std::optional<std::string> HostThatMpirunLost(std::string_view log);

}  // namespace still::coordinator
