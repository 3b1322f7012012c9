#include "cluster/placement.h"

#include <algorithm>
#include <tuple>

#include "common/check.h"

namespace still::cluster {
namespace {

struct Room {
  std::size_t host = 0;     // its index
  std::uint32_t ranks = 0;  // how many fit
  std::uint32_t free = 0;
};

// Returns the hosts that hold at least one rank, the fullest first.
std::vector<Room> RoomsOf(const std::vector<HostSlots>& hosts, const std::vector<std::uint32_t>& free,
                          std::uint32_t slots_per_rank) {
  std::vector<Room> rooms;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    const std::uint32_t ranks = hosts[i].open ? free[i] / slots_per_rank : 0;
    if (ranks > 0) rooms.push_back({i, ranks, free[i]});
  }
  std::ranges::sort(rooms, {}, [](const Room& room) { return std::tuple(room.ranks, room.free, room.host); });
  return rooms;
}

// Returns the fewest hosts that hold all ranks, by adding up the emptiest ones. 0 when all hosts together do not.
std::size_t FewestHosts(const std::vector<Room>& rooms, std::uint64_t ranks) {
  std::uint64_t held = 0;
  for (std::size_t taken = 0; taken < rooms.size();) {
    held += rooms[rooms.size() - 1 - taken].ranks;
    ++taken;
    if (held >= ranks) return taken;
  }
  return 0;
}

}  // namespace

std::optional<Placement> Place(const std::vector<HostSlots>& hosts, const std::vector<std::uint32_t>& free,
                               const GangShape& gang) {
  STILL_CHECK(hosts.size() == free.size(), "free slots of each host");
  if (gang.ranks == 0 || gang.slots_per_rank == 0) return std::nullopt;
  const std::vector<Room> rooms = RoomsOf(hosts, free, gang.slots_per_rank);
  const std::size_t count = FewestHosts(rooms, gang.ranks);
  if (count == 0) return std::nullopt;

  // Find the fullest `count` neighbours in that order that hold the gang ...
  std::uint64_t held = 0;
  for (std::size_t i = 0; i < count; ++i) held += rooms[i].ranks;
  std::size_t first = 0;
  for (; held < gang.ranks; ++first) held = held - rooms[first].ranks + rooms[first + count].ranks;

  // ... and replace the least of them by the tightest host for the ranks that the others leave over.
  std::vector<std::uint32_t> ranks(hosts.size());
  std::uint32_t left = gang.ranks;
  for (std::size_t i = first + 1; i < first + count; ++i) {
    ranks[rooms[i].host] = rooms[i].ranks;
    left -= rooms[i].ranks;
  }
  const auto tightest = std::ranges::find_if(rooms, [&](const Room& room) { return room.ranks >= left; });
  ranks[tightest->host] = left;

  Placement placement;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    if (ranks[i] > 0) placement.push_back({hosts[i].name, ranks[i]});
  }
  return placement;
}

}  // namespace still::cluster
