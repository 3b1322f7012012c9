#include "coordinator/scheduler/slot_profile.h"

#include <gmock/gmock.h>

#include "tests/coordinator/scheduler/scheduler_fixture.h"

namespace still::coordinator {
namespace {

using ::testing::ElementsAre;

class SlotProfileTest : public ::testing::Test {
 protected:
  std::vector<cluster::HostSlots> hosts_ = Cluster().Host("a", 4).Host("b", 2).Closed("c", 8, "drained").hosts;
  SlotProfile profile_{hosts_, kNow};
};

TEST_F(SlotProfileTest, AnEmptyClusterHasTheSlotsOfItsOpenHosts) {
  EXPECT_EQ(profile_.RanksNow(1), 6);
  EXPECT_EQ(profile_.RanksNow(4), 1) << "a rank is on one host";
  EXPECT_EQ(profile_.EarliestStart({.ranks = 6, .slots_per_rank = 1}, kHour, kNow), kNow);
  EXPECT_EQ(profile_.EarliestStart({.ranks = 7, .slots_per_rank = 1}, kHour, kNow), std::nullopt);
}

TEST_F(SlotProfileTest, AGangStartsWhenItsSlotsAreFreeForItsWholeDuration) {
  const std::vector<SlotsOnHost> most = {{.host = 0, .slots = 3}};
  profile_.Take(most, kNow + kHour, kNow + 2 * kHour);
  const cluster::GangShape gang{.ranks = 4, .slots_per_rank = 1};
  EXPECT_EQ(profile_.EarliestStart(gang, kHour, kNow), kNow) << "done just before";
  EXPECT_EQ(profile_.EarliestStart(gang, kHour + 1, kNow), kNow + 2 * kHour);
  EXPECT_EQ(profile_.EarliestStart(gang, kHour, kNow + kMinute), kNow + 2 * kHour);
  EXPECT_FALSE(profile_.FitsNow(gang, kHour + 1));
  EXPECT_THAT(profile_.LeastFree(kNow, kNow + kHour), ElementsAre(4, 2, 0));
  EXPECT_THAT(profile_.LeastFree(kNow, kNow + kHour + 1), ElementsAre(1, 2, 0));
}

TEST_F(SlotProfileTest, TakingSlotsAndGivingThemBackChangesNothing) {
  const std::vector<SlotsOnHost> all = {{.host = 0, .slots = 4}, {.host = 1, .slots = 2}};
  profile_.Take(all, kNow, kNow + kHour);
  EXPECT_EQ(profile_.RanksNow(1), 0);
  EXPECT_EQ(profile_.EarliestStart({.ranks = 1, .slots_per_rank = 1}, kMinute, kNow), kNow + kHour);
  profile_.GiveBack(all, kNow, kNow + kHour);
  EXPECT_EQ(profile_.RanksNow(1), 6);
  EXPECT_EQ(profile_.EarliestStart({.ranks = 6, .slots_per_rank = 1}, kMinute, kNow), kNow);
}

TEST_F(SlotProfileTest, AHostThatLostSlotsUnderRunningJobsHasANegativeNumber) {
  const std::vector<SlotsOnHost> more = {{.host = 1, .slots = 3}};
  profile_.Take(more, kNow, kNow + kHour);
  EXPECT_EQ(profile_.StepsOf(1).front().free, -1);
  EXPECT_EQ(profile_.RanksNow(1), 4) << "and takes nothing from the others";
  EXPECT_EQ(profile_.EarliestStart({.ranks = 5, .slots_per_rank = 1}, kMinute, kNow), kNow + kHour);
}

TEST_F(SlotProfileTest, FirstFitChoosesTheFirstHosts) {
  const auto slots_of = [&](std::uint32_t ranks) {
    std::vector<std::pair<std::uint32_t, std::uint32_t>> chosen;
    for (const SlotsOnHost& share : profile_.FirstFit({.ranks = ranks, .slots_per_rank = 2}, kNow, kNow + kHour))
      chosen.emplace_back(share.host, share.slots);
    return chosen;
  };
  EXPECT_THAT(slots_of(1), ElementsAre(std::pair(0, 2)));
  EXPECT_THAT(slots_of(3), ElementsAre(std::pair(0, 4), std::pair(1, 2)));
}

}  // namespace
}  // namespace still::coordinator
