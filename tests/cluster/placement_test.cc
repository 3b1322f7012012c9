#include "cluster/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "common/random.h"

namespace still::cluster {

void PrintTo(const HostShare& share, std::ostream* out) { *out << share.host << ":" << share.ranks; }

namespace {

using ::testing::ElementsAre;
using ::testing::Optional;

std::vector<HostSlots> Hosts(std::size_t count, std::uint32_t slots = 8) {
  std::vector<HostSlots> hosts;
  for (std::size_t i = 0; i < count; ++i) hosts.push_back({std::string(1, static_cast<char>('a' + i)), slots});
  return hosts;
}

TEST(PlacementTest, AGangThatFitsOnOneHostTakesTheFullestThatHoldsIt) {
  EXPECT_THAT(Place(Hosts(4), {8, 3, 5, 2}, {.ranks = 3}), Optional(ElementsAre(HostShare{"b", 3})));
}

TEST(PlacementTest, AmongEqualsTheFirstHostIsTaken) {
  EXPECT_THAT(Place(Hosts(3), {4, 4, 4}, {.ranks = 2, .slots_per_rank = 2}), Optional(ElementsAre(HostShare{"a", 2})));
}

TEST(PlacementTest, ALargeGangTakesAsFewHostsAsPossibleAndLeavesTheEmptiest) {
  EXPECT_THAT(Place(Hosts(4), {8, 6, 5, 4}, {.ranks = 10}),
              Optional(ElementsAre(HostShare{"b", 6}, HostShare{"d", 4})));
}

TEST(PlacementTest, TheSharesStandInHostOrder) {
  EXPECT_THAT(Place(Hosts(3), {2, 1, 8}, {.ranks = 11}),
              Optional(ElementsAre(HostShare{"a", 2}, HostShare{"b", 1}, HostShare{"c", 8})));
}

TEST(PlacementTest, ARankIsNeverSplitBetweenHosts) {
  EXPECT_EQ(Place(Hosts(3), {3, 3, 3}, {.ranks = 1, .slots_per_rank = 4}), std::nullopt);
  EXPECT_THAT(Place(Hosts(3), {3, 3, 3}, {.ranks = 2, .slots_per_rank = 2}),
              Optional(ElementsAre(HostShare{"a", 1}, HostShare{"b", 1})));
}

TEST(PlacementTest, ClosedHostsHoldNothing) {
  std::vector<HostSlots> hosts = Hosts(2);
  hosts[0].open = false;
  EXPECT_THAT(Place(hosts, {8, 8}, {.ranks = 8}), Optional(ElementsAre(HostShare{"b", 8})));
  EXPECT_EQ(Place(hosts, {8, 8}, {.ranks = 9}), std::nullopt);
}

TEST(PlacementTest, AnEmptyGangAndAnEmptyClusterHaveNoPlacement) {
  EXPECT_EQ(Place({}, {}, {.ranks = 1}), std::nullopt);
  EXPECT_EQ(Place(Hosts(1), {8}, {.ranks = 0}), std::nullopt);
  EXPECT_EQ(Place(Hosts(1), {8}, {.ranks = 1, .slots_per_rank = 0}), std::nullopt);
}

TEST(PlacementTest, SlotsBeyond32BitsDoNotWrapAround) {
  EXPECT_EQ(Place(Hosts(1), {8}, {.ranks = 1U << 31, .slots_per_rank = 2}), std::nullopt);
}

TEST(PlacementTest, RandomGangsArePlacedWholeOnTheFewestHostsOrNotAtAll) {
  KeyedRandom random(5);
  for (int round = 0; round < 5'000; ++round) {
    std::vector<HostSlots> hosts = Hosts(1 + random.NextBelow(8));
    std::vector<std::uint32_t> free;
    for (HostSlots& host : hosts) {
      host.open = random.NextBelow(6) != 0;
      free.push_back(random.NextBelow(9));
    }
    const GangShape gang{.ranks = 1 + random.NextBelow(16), .slots_per_rank = 1 + random.NextBelow(3)};
    std::vector<std::uint32_t> room;
    for (std::size_t i = 0; i < hosts.size(); ++i) room.push_back(hosts[i].open ? free[i] / gang.slots_per_rank : 0);
    const auto placement = Place(hosts, free, gang);
    ASSERT_EQ(placement.has_value(), std::accumulate(room.begin(), room.end(), 0U) >= gang.ranks) << round;
    if (!placement) continue;

    std::uint32_t ranks = 0;
    for (const HostShare& share : *placement) {
      const auto host = static_cast<std::size_t>(share.host[0] - 'a');
      ASSERT_GT(share.ranks, 0U);
      ASSERT_LE(share.ranks, room[host]) << round;
      ranks += share.ranks;
    }
    ASSERT_EQ(ranks, gang.ranks) << round;
    std::ranges::sort(room, std::greater());
    const auto without_one = room.begin() + static_cast<std::ptrdiff_t>(placement->size()) - 1;
    ASSERT_LT(std::accumulate(room.begin(), without_one, 0U), gang.ranks) << "fewer hosts would do, round " << round;
  }
}

}  // namespace
}  // namespace still::cluster
