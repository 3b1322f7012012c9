// Where the ranks of a gang go. Pure. A host has slots (cores, or GPUs); a rank takes `slots_per_rank` of one host; a
// gang takes all of its ranks' slots at once or none.
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
  std::string closed_because;  // "drained by alice: disk swap", "blacklisted until ..."
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

// `free` slots of each host, in the order of `hosts`; closed hosts count as having none. As few hosts as possible, the
// emptiest last, so that small gangs do not break up room for large ones. Nothing when the gang does not fit.
std::optional<Placement> Place(const std::vector<HostSlots>& hosts, const std::vector<std::uint32_t>& free,
                               const GangShape& gang);

}  // namespace still::cluster
