// What the log of a launch, stdout and stderr of mpirun and its ranks, tells when it has died. Evidence for people: no
// decision depends on it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace still::coordinator {

// What was appended to the log since it had `begin` bytes; empty when it cannot be read.
std::string LogSince(const std::string& path, std::uint64_t begin);

// The last `count` lines, each indented on a line of its own; empty when there are none.
std::string LastLines(std::string_view log, std::size_t count);

// The rank whose death mpirun noticed first ("mpirun noticed that process rank 1 with PID ...").
std::optional<std::uint32_t> RankThatMpirunNoticed(std::string_view log);
// The host that mpirun could not reach, or lost: it says so before it ends, and calls it as it was told to.
std::optional<std::string> HostThatMpirunLost(std::string_view log);

}  // namespace still::coordinator
