// Chooses the hosts for the ranks of a gang. Pure. A host has slots, one per core. A rank takes `slots_per_rank` slots
// of one host. A gang takes the slots of all its ranks at once, or none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace still::cluster {

struct HostSlots {
  std::string name;
  std::uint32_t slots = 0;
  bool open = true;            // takes new work
  std::string closed_because;  // "drained by alice: disk swap", "lost once; tried again in 4 min"
};

struct GangShape {
  std::uint32_t ranks = 1;
  std::uint32_t slots_per_rank = 1;

  friend bool operator==(const GangShape&, const GangShape&) = default;
};

struct HostShare {
  std::string host;
  std::uint32_t ranks = 0;

  friend bool operator==(const HostShare&, const HostShare&) = default;
};
using Placement = std::vector<HostShare>;  // in host order; no empty share

// Returns where the gang goes, or nothing when it does not fit. `free` holds the free slots of each host, in the order
// of `hosts`; a closed host counts as full. The gang gets as few hosts as possible, and the fullest that hold it, so
// that small gangs do not break up room for large ones.
std::optional<Placement> Place(const std::vector<HostSlots>& hosts, const std::vector<std::uint32_t>& free,
                               const GangShape& gang);

}  // namespace still::cluster
