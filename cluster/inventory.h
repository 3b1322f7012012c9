// The hosts that jobs can run on: those of a hostfile, or this machine alone.
//
// A hostfile has one host per line, as Open MPI's hostfiles do:
//
//   # rack 1
//   node-01 slots=8
//   node-02 slots=8   # the one with the loud fan
//   login             # one slot, because no number is given
//
// A host is listed once; upper and lower case are the same. max_slots and Open MPI's other keys are refused and not
// ignored. They would have no effect, because ranks are never put where no slots are left.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/placement.h"
#include "common/status.h"

namespace still::cluster {

inline constexpr std::uint32_t kMostSlots = 65'536;  // per host
inline constexpr const char* kLocalHost = "localhost";

// Returns true for up to 253 letters, digits, '.', '-' and '_', of which the first is a letter or digit. A host's name
// becomes an argument of ssh and mpirun, so it must not look like an option or mean anything to a shell.
bool IsHostName(std::string_view name);

// Parses a hostfile and keeps its order. Errors are INVALID_ARGUMENT, and their place() names `path` and the line.
Result<std::vector<HostSlots>> ParseHostfile(std::string_view text, const std::string& path);

// Returns the hosts of a hostfile. An empty path stands for this machine, with one slot per core that this process may
// use.
Result<std::vector<HostSlots>> LoadInventory(const std::string& hostfile);

}  // namespace still::cluster
