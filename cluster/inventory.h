// The hosts there are to run on: a hostfile's, or this machine alone.
//
// A hostfile has a host a line, as Open MPI's hostfiles do:
//
//   # rack 1
//   node-01 slots=8
//   node-02 slots=8   # the one with the loud fan
//   login             # no slots said: one
//
// A host stands there once. max_slots and whatever else Open MPI reads there is refused rather than ignored: ranks are
// never put where there are no slots left, so that it would mean nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/placement.h"
#include "common/status.h"

namespace still::cluster {

inline constexpr std::uint32_t kMostSlots = 65'536;  // of one host
inline constexpr const char* kLocalHost = "localhost";

// Letters, digits, '.', '-' and '_', the first of them a letter or digit: a host's name ends up among the arguments of
// ssh and mpirun and must not look like an option or mean anything to a shell.
bool IsHostName(std::string_view name);

// In the order of the file. INVALID_ARGUMENT names `path` and the line.
Result<std::vector<HostSlots>> ParseHostfile(std::string_view text, const std::string& path);

// The hostfile's hosts; with an empty path this machine, a slot for each core that this process may use.
Result<std::vector<HostSlots>> LoadInventory(const std::string& hostfile);

}  // namespace still::cluster
