#include "coordinator/scheduler/preemption.h"

#include <gmock/gmock.h>

#include "tests/coordinator/scheduler/scheduler_fixture.h"

namespace still::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Two hosts of four slots, with jobs that run for an hour.
class PreemptionTest : public ::testing::Test {
 protected:
  void Run(std::uint64_t id, std::vector<SlotsOnHost> slots, std::int32_t priority = 0, UnixMs started_ms = kNow) {
    slots_.push_back(std::move(slots));
    runs_.push_back({.id = id, .priority = priority, .started_ms = started_ms, .end_ms = kNow + kHour, .slots = {}});
  }
  // Returns the ids of the jobs that make way for a gang of `ranks` ranks of one slot.
  std::vector<std::uint64_t> VictimsOf(std::uint32_t ranks) {
    SlotProfile profile(hosts_, kNow);
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      runs_[i].slots = slots_[i];
      profile.Take(slots_[i], kNow, kNow + kHour);
    }
    std::vector<std::uint64_t> ids;
    for (const std::size_t i :
         ChooseVictims(profile, runs_, {.ranks = ranks, .slots_per_rank = 1}, kNow, kNow + kMinute))
      ids.push_back(runs_[i].id);
    return ids;
  }

  std::vector<cluster::HostSlots> hosts_ = Cluster().Host("a", 4).Host("b", 4).hosts;
  std::vector<std::vector<SlotsOnHost>> slots_;
  std::vector<Candidate> runs_;
};

TEST_F(PreemptionTest, OneVictimIsChosenWhereOneSuffices) {
  Run(1, {{0, 2}});
  Run(2, {{0, 2}});
  Run(3, {{1, 4}});
  EXPECT_THAT(VictimsOf(4), ElementsAre(3));
}

TEST_F(PreemptionTest, AmongEqualsTheLowestThenTheYoungestIsChosen) {
  Run(1, {{0, 4}}, /*priority=*/5);
  Run(2, {{1, 4}}, /*priority=*/1);
  EXPECT_THAT(VictimsOf(2), ElementsAre(2));
  runs_[1].priority = 5;
  runs_[0].started_ms = kNow + 1;
  EXPECT_THAT(VictimsOf(2), ElementsAre(1));
}

TEST_F(PreemptionTest, AJobWhoseSlotsAreNotNeededIsNotChosen) {
  Run(1, {{0, 3}});
  Run(2, {{1, 3}});
  Run(3, {{0, 1}, {1, 1}});
  EXPECT_THAT(VictimsOf(2), ElementsAre(3));
  EXPECT_THAT(VictimsOf(3).size(), 1U);
}

TEST_F(PreemptionTest, NobodyIsChosenWhenAllTogetherDoNotSuffice) {
  Run(1, {{0, 4}});
  EXPECT_THAT(VictimsOf(9), IsEmpty());
}

TEST_F(PreemptionTest, NobodyIsChosenWhenThereIsRoomAlready) {
  Run(1, {{0, 4}});
  EXPECT_THAT(VictimsOf(4), IsEmpty());
}

}  // namespace
}  // namespace still::coordinator
