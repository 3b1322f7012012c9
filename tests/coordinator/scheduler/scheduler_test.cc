#include "coordinator/scheduler/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/coordinator/scheduler/scheduler_fixture.h"

namespace still::coordinator {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

TEST(SchedulerOrderTest, HigherPriorityGoesFirstThenTheOlder) {
  Cluster cluster;
  cluster.Host("a", 2);
  cluster.Queue(1, 1, kHour);
  cluster.Queue(2, 1, kHour);
  cluster.Queue(3, 1, kHour, 5);
  const SchedulerOutput output = cluster.Decide();
  EXPECT_THAT(Started(output), ElementsAre(3, 1));
  EXPECT_EQ(output.waits.at(2).position, 1U);
}

TEST(SchedulerOrderTest, WaitingIsWorthOnePointPerHour) {
  Cluster cluster;
  cluster.Host("a", 1);
  cluster.Queue(1, 1, kHour, 3).submitted_ms = kNow;
  cluster.Queue(2, 1, kHour).submitted_ms = kNow - 3 * kHour - 1;
  EXPECT_THAT(Started(cluster.Decide()), ElementsAre(2));
  cluster.queued[1].submitted_ms = kNow - 3 * kHour + 1;
  EXPECT_THAT(Started(cluster.Decide()), ElementsAre(1));
  cluster.queued[1].submitted_ms = 0;
  cluster.options.ageing_ms_per_point = 0;
  EXPECT_THAT(Started(cluster.Decide()), ElementsAre(1));
}

TEST(SchedulerOrderTest, ExtremePrioritiesAndTimesDoNotOverflow) {
  Cluster cluster;
  cluster.Host("a", 1);
  cluster.options.ageing_ms_per_point = std::numeric_limits<std::int64_t>::max();
  cluster.options.default_duration_ms = std::numeric_limits<std::int64_t>::max();
  cluster.Queue(1, 1, std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int32_t>::min());
  cluster.Queue(2, 1, -5, std::numeric_limits<std::int32_t>::max());
  const SchedulerOutput output = cluster.Decide();
  EXPECT_THAT(Started(output), ElementsAre(2));
  EXPECT_GT(PredictedIn(output, 1), 0);
}

TEST(SchedulerBackfillTest, AGangStartsWholeOrNotAtAll) {
  Cluster cluster;
  cluster.Host("a", 2).Host("b", 2);
  cluster.Run(9, {{"a", 1}}, kHour);
  cluster.Queue(1, 4, kHour);
  const SchedulerOutput output = cluster.Decide();
  EXPECT_THAT(output.starts, IsEmpty());
  EXPECT_EQ(PredictedIn(output, 1), kHour);
}

TEST(SchedulerBackfillTest, ALowerJobStartsBesideAReservationOnlyWhenItIsDoneInTime) {
  Cluster cluster;
  cluster.Host("a", 4);
  cluster.Run(9, {{"a", 2}}, kHour);
  cluster.Queue(1, 4, kHour);
  cluster.Queue(2, 2, kHour + 1);
  cluster.Queue(3, 2, kHour);
  const SchedulerOutput output = cluster.Decide();
  EXPECT_THAT(Started(output), ElementsAre(3));
  EXPECT_EQ(PredictedIn(output, 1), kHour);
  EXPECT_EQ(PredictedIn(output, 2), 2 * kHour);
}

TEST(SchedulerBackfillTest, ALongJobStartsOnSlotsThatTheReservationLeavesOver) {
  Cluster cluster;
  cluster.Host("a", 4);
  cluster.Run(9, {{"a", 2}}, kHour);
  cluster.Queue(1, 3, kHour);
  cluster.Queue(2, 1, 100 * kHour);
  const SchedulerOutput output = cluster.Decide();
  EXPECT_THAT(Started(output), ElementsAre(2));
  EXPECT_EQ(PredictedIn(output, 1), kHour);
}

TEST(SchedulerBackfillTest, TheSecondReservationIsRespectedToo) {
  Cluster cluster;
  cluster.Host("a", 4).Host("b", 2);
  cluster.Run(8, {{"a", 2}}, kHour);
  cluster.Run(9, {{"b", 1}}, 2 * kHour);
  cluster.Queue(1, 4, kHour);  // when 8 ends
  cluster.Queue(2, 6, kHour);  // when 1 and 9 have ended
  cluster.Queue(3, 1, 3 * kHour);
  EXPECT_THAT(Started(cluster.Decide()), IsEmpty());
  cluster.options.reservations = 1;  // EASY: only the first one is
  EXPECT_THAT(Started(cluster.Decide()), ElementsAre(3));
}

TEST(SchedulerBackfillTest, JobsBeyondTheReservationsStartIfTheyFitAndTheirPredictedStartsMaySlip) {
  Cluster cluster;
  cluster.Host("a", 4);
  cluster.Run(9, {{"a", 2}}, kHour);
  cluster.options.reservations = 1;
  cluster.Queue(1, 4, kHour);
  cluster.Queue(2, 3, kHour);
  cluster.Queue(3, 2, kHour);
  cluster.Queue(4, 4, kHour);
  SchedulerOutput output = cluster.Decide();
  EXPECT_THAT(Started(output), ElementsAre(3));
  EXPECT_EQ(PredictedIn(output, 2), -1);
  EXPECT_THAT(Reasons(output, 2),
              Contains("DEPTH: no start is predicted for it: only the first 1 waiting job get a prediction"));
  cluster.options.predictions = 1;
  output = cluster.Decide();
  EXPECT_THAT(Started(output), ElementsAre(3)) << "as before";
  EXPECT_EQ(PredictedIn(output, 1), kHour);
  EXPECT_EQ(PredictedIn(output, 2), 2 * kHour);
  EXPECT_THAT(
      Reasons(output, 2),
      Contains("DEPTH: jobs behind it may start first and delay it: slots are kept only for the first 1 waiting job"));
  EXPECT_EQ(PredictedIn(output, 4), -1);
}

TEST(SchedulerBackfillTest, JobsWithoutALimitAreExpectedToRunTheDefaultAndThenAsLongAgain) {
  Cluster cluster;
  cluster.Host("a", 1);
  cluster.options.default_duration_ms = 10 * kHour;
  cluster.Run(9, {{"a", 1}}, kHour).duration_ms = 0;
  cluster.running[0].started_ms = kNow - kHour;
  cluster.Queue(1, 1, kHour);
  EXPECT_EQ(PredictedIn(cluster.Decide(), 1), 9 * kHour);
  cluster.running[0].started_ms = kNow - 10 * kHour;
  EXPECT_EQ(PredictedIn(cluster.Decide(), 1), 10 * kHour);
}

TEST(SchedulerBackfillTest, AJobOverItsLimitOrLeavingIsExpectedToBeGoneSoon) {
  Cluster cluster;
  cluster.Host("a", 1);
  cluster.Run(9, {{"a", 1}}, -kMinute + 1);
  cluster.Queue(1, 1, kHour);
  EXPECT_EQ(PredictedIn(cluster.Decide(), 1), kMinute / 2);
  cluster.running[0].duration_ms = 10 * kHour;
  cluster.running[0].leaving = true;
  EXPECT_EQ(PredictedIn(cluster.Decide(), 1), kMinute / 2);
}

TEST(SchedulerHostsTest, ClosedHostsGetNoJobsAndTheirRunningJobsTakeNoSlotsElsewhere) {
  Cluster cluster;
  cluster.Closed("a", 4, "disk swap").Host("b", 2);
  cluster.Run(9, {{"a", 1}}, kHour);
  cluster.Queue(1, 2, kHour);
  const SchedulerOutput output = cluster.Decide();
  ASSERT_THAT(output.starts, SizeIs(1));
  EXPECT_THAT(output.starts[0].placement, ElementsAre(cluster::HostShare{"b", 2}));
}

TEST(SchedulerHostsTest, AHostMayLeaveOrLoseSlots) {
  Cluster cluster;
  cluster.Host("a", 2);
  cluster.Run(8, {{"gone", 2}}, kHour);
  cluster.Run(9, {{"a", 3}}, kHour);  // the host had more slots when the job started
  cluster.Queue(1, 1, kHour);
  const SchedulerOutput output = cluster.Decide();
  EXPECT_THAT(output.starts, IsEmpty());
  EXPECT_EQ(PredictedIn(output, 1), kHour);
}

TEST(SchedulerReasonsTest, TheReasonSlotsNamesTheNeedTheFreeSlotsAndTheJobThatMakesRoom) {
  Cluster cluster;
  cluster.Host("a", 4).Host("b", 4);
  cluster.Run(7, {{"a", 3}, {"b", 2}}, kHour + 5 * kMinute);
  cluster.Queue(1, 4, kHour).gang.slots_per_rank = 2;
  EXPECT_THAT(Reasons(cluster.Decide(), 1),
              ElementsAre("SLOTS: needs 8 slots (4 ranks x 2), 3 are free on 2 hosts; expected to start in 1 h 5 min, "
                          "when job 7 ends"));
  cluster.running[0].leaving = true;
  EXPECT_THAT(Reasons(cluster.Decide(), 1), ElementsAre(HasSubstr("in 30 s, when job 7 has made way")));
  cluster.running[0].placement = {{"a", 4}, {"b", 4}};
  EXPECT_THAT(Reasons(cluster.Decide(), 1), ElementsAre(HasSubstr("(4 ranks x 2), none is free;")));
}

TEST(SchedulerReasonsTest, NoStartIsPromisedBehindAJobWithoutATimeLimit) {
  Cluster cluster;
  cluster.Host("a", 4);
  cluster.Run(7, {{"a", 4}}, kHour).duration_ms = 0;
  cluster.Queue(1, 4, kHour);
  cluster.Queue(2, 4, kHour);
  const std::string unknown = "when it starts is unknown: it waits behind job 7, which has no time limit";
  const SchedulerOutput behind = cluster.Decide();
  EXPECT_THAT(Reasons(behind, 1), ElementsAre("SLOTS: needs 4 slots (4 ranks x 1), none is free; " + unknown));
  EXPECT_THAT(Reasons(behind, 2), ElementsAre(HasSubstr(unknown), "AHEAD: job 1 is ahead of it"));
  EXPECT_EQ(behind.waits.at(2).unlimited, 7u);
  cluster.running[0].duration_ms = kHour;  // as expected by its rate of progress
  cluster.queued[0].duration_ms = 0;
  const SchedulerOutput first = cluster.Decide();
  EXPECT_THAT(Reasons(first, 1), ElementsAre(HasSubstr("expected to start in 59 min 0 s, when job 7 ends")));
  EXPECT_THAT(Reasons(first, 2), ElementsAre(HasSubstr("it waits behind job 1, which has no time limit"),
                                             HasSubstr("AHEAD: job 1 is ahead of it, expected")));
}

TEST(SchedulerReasonsTest, TheReasonSaysThatFreeSlotsAreScattered) {
  Cluster cluster;
  cluster.Host("a", 4).Host("b", 4).Host("c", 4);
  cluster.Run(7, {{"a", 1}, {"b", 1}, {"c", 3}}, kHour);
  cluster.Queue(1, 3, kHour).gang.slots_per_rank = 2;
  EXPECT_THAT(Reasons(cluster.Decide(), 1),
              ElementsAre(StartsWith("SLOTS: needs 6 slots (3 ranks x 2), 7 are free on 3 hosts, but not enough of "
                                     "them together: room for 2 ranks;")));
}

TEST(SchedulerReasonsTest, TheReasonSaysThatFreeSlotsAreKeptForOthers) {
  Cluster cluster;
  cluster.Host("a", 4);
  cluster.Run(9, {{"a", 2}}, kHour);
  cluster.Queue(1, 4, kHour);
  cluster.Queue(2, 1, 2 * kHour);
  EXPECT_THAT(Reasons(cluster.Decide(), 2),
              ElementsAre("RESERVED: needs 1 slot (1 rank x 1), which are free, but it would not be done before they "
                          "are needed by job 1 ahead of it; expected to start in 2 h 0 min",
                          "AHEAD: job 1 is ahead of it, expected to start in 1 h 0 min"));
}

TEST(SchedulerReasonsTest, AllReasonsAreGivenTheWeightiestFirst) {
  Cluster cluster;
  cluster.Host("a", 2).Closed("b", 2, "disk swap");
  cluster.Run(9, {{"a", 2}}, kHour);
  for (std::uint64_t id = 1; id <= 4; ++id) cluster.Queue(id, 2, kHour);
  cluster.options.reservations = 2;
  EXPECT_THAT(Reasons(cluster.Decide(), 4),
              ElementsAre("SLOTS: needs 2 slots (2 ranks x 1), none is free",
                          "HOSTS_DRAINED: would fit now, were these hosts open: b (disk swap)",
                          "AHEAD: 3 jobs are ahead of it; the first to start is job 1, expected to start in 1 h 0 min",
                          StartsWith("DEPTH: ")));
}

TEST(SchedulerReasonsTest, AGangThatNoHostsHoldNeverFitsAndDelaysNobody) {
  Cluster cluster;
  cluster.Host("a", 4).Closed("b", 4, "x");
  cluster.Queue(1, 9, kHour, 50);
  cluster.Queue(2, 1, kHour, 50).gang.slots_per_rank = 5;
  cluster.Queue(3, 4, kHour);
  const SchedulerOutput output = cluster.Decide();
  EXPECT_THAT(Started(output), ElementsAre(3));
  EXPECT_THAT(Reasons(output, 1), ElementsAre("NEVER_FITS: needs 9 slots (9 ranks x 1), and all hosts together hold "
                                              "only 8 ranks of this width"));
  EXPECT_THAT(Reasons(output, 2), ElementsAre("NEVER_FITS: needs 5 slots (1 rank x 5), and no host has the 5 slots of "
                                              "one rank; the largest has 4"));
  EXPECT_EQ(PredictedIn(output, 1), -1);
}

TEST(SchedulerReasonsTest, WithoutHostsOrWithoutRanksNothingEverFits) {
  Cluster cluster;
  cluster.Queue(1, 1, kHour);
  cluster.Queue(2, 0, kHour);
  cluster.Queue(3, 1, kHour).gang.slots_per_rank = 0;
  const SchedulerOutput output = cluster.Decide();
  EXPECT_THAT(Reasons(output, 1), ElementsAre("NEVER_FITS: needs 1 slot (1 rank x 1), and there is no host"));
  EXPECT_THAT(Reasons(output, 2), ElementsAre("NEVER_FITS: asks for no slots at all"));
  EXPECT_THAT(Reasons(output, 3), ElementsAre("NEVER_FITS: asks for no slots at all"));
}

TEST(SchedulerReasonsTest, AGangThatFitsOnlyWithClosedHostsNamesThem) {
  Cluster cluster;
  cluster.Host("a", 2);
  for (const char* name : {"b", "c", "d", "e", "f", "g"}) cluster.Closed(name, 2, "disk swap");
  cluster.Queue(1, 4, kHour);
  EXPECT_THAT(Reasons(cluster.Decide(), 1),
              ElementsAre("HOSTS_DRAINED: needs 4 slots (4 ranks x 1), and the open hosts hold only 2 ranks of this "
                          "width; closed: b (disk swap), c (disk swap), d (disk swap), e (disk swap) and 2 more"));
}

TEST(SchedulerPreemptionTest, TheLowestThenTheYoungestMakesWay) {
  Cluster cluster;
  cluster.Host("a", 3);
  cluster.Run(7, {{"a", 1}}, kHour, 1);
  cluster.Run(8, {{"a", 1}}, kHour);
  cluster.Run(9, {{"a", 1}}, kHour).started_ms += 1;
  cluster.Queue(20, 1, kHour, 200);
  const SchedulerOutput output = cluster.Decide();
  EXPECT_THAT(Preempted(output), ElementsAre("9 for 20"));
  EXPECT_EQ(PredictedIn(output, 20), kMinute / 2);
  EXPECT_THAT(Reasons(output, 20),
              ElementsAre("PREEMPTING: job 9 makes way for it",
                          "SLOTS: needs 1 slot (1 rank x 1), none is free; expected to start in 30 s, when job 9 has "
                          "made way"));
}

TEST(SchedulerPreemptionTest, AsFewJobsAsPossibleMakeWay) {
  Cluster cluster;
  cluster.Host("a", 8);
  cluster.Run(1, {{"a", 2}}, kHour);
  cluster.Run(2, {{"a", 2}}, kHour);
  cluster.Run(3, {{"a", 4}}, kHour, 10);
  cluster.Queue(20, 4, kHour, 200);
  EXPECT_THAT(Preempted(cluster.Decide()), ElementsAre("3 for 20"));
}

TEST(SchedulerPreemptionTest, AJobWhoseSlotsAreNotNeededStays) {
  Cluster cluster;
  cluster.Host("a", 2).Host("b", 3);
  cluster.Run(1, {{"a", 2}}, kHour);
  cluster.Run(2, {{"b", 3}}, kHour);
  cluster.Queue(20, 1, kHour, 200).gang.slots_per_rank = 3;
  EXPECT_THAT(Preempted(cluster.Decide()), ElementsAre("2 for 20"));
}

TEST(SchedulerPreemptionTest, WideRanksTakeTheirVictimsFromOneHost) {
  Cluster cluster;
  cluster.Host("a", 4).Host("b", 4);
  for (std::uint64_t id = 1; id <= 4; ++id) cluster.Run(id, {{id % 2 == 0 ? "a" : "b", 2}}, kHour);
  cluster.Queue(20, 1, kHour, 200).gang.slots_per_rank = 4;
  EXPECT_THAT(Preempted(cluster.Decide()), ElementsAre("2 for 20", "4 for 20"));
}

TEST(SchedulerPreemptionTest, NobodyMakesWayForAGangThatWouldNotFitEvenThen) {
  Cluster cluster;
  cluster.Host("a", 4);
  cluster.Run(1, {{"a", 2}}, kHour);
  cluster.Run(2, {{"a", 2}}, kHour).preemptible = false;
  cluster.Queue(20, 4, kHour, 200);
  EXPECT_THAT(Preempted(cluster.Decide()), IsEmpty());
}

TEST(SchedulerPreemptionTest, NobodyMakesWayWhenLeavingJobsMakeEnoughRoom) {
  Cluster cluster;
  cluster.Host("a", 4);
  cluster.Run(1, {{"a", 2}}, kHour).leaving = true;
  cluster.Run(2, {{"a", 2}}, kHour);
  cluster.Queue(20, 2, kHour, 200);
  EXPECT_THAT(Preempted(cluster.Decide()), IsEmpty());
  cluster.Queue(21, 2, kHour, 200);  // needs one more
  EXPECT_THAT(Preempted(cluster.Decide()), ElementsAre("2 for 21"));
}

TEST(SchedulerPreemptionTest, TheGapComparesPrioritiesWithoutAgeing) {
  Cluster cluster;
  cluster.Host("a", 1);
  cluster.Run(1, {{"a", 1}}, kHour, 1);
  cluster.Queue(20, 1, kHour, 100).submitted_ms = kNow - 1000 * kHour;
  EXPECT_THAT(Preempted(cluster.Decide()), IsEmpty());
  cluster.queued[0].priority = 101;
  EXPECT_THAT(Preempted(cluster.Decide()), ElementsAre("1 for 20"));
  cluster.options.preemption_gap = 0;
  EXPECT_THAT(Preempted(cluster.Decide()), IsEmpty());
}

TEST(SchedulerPreemptionTest, AJobThatWouldBeBackFirstDoesNotMakeWay) {
  Cluster cluster;
  cluster.Host("a", 1);
  cluster.Run(1, {{"a", 1}}, kHour).submitted_ms = kNow - 300 * kHour;
  cluster.Queue(20, 1, kHour, 200);
  EXPECT_THAT(Preempted(cluster.Decide()), IsEmpty());
}

TEST(SchedulerPreemptionTest, SlotsThatAJobAheadWouldTakeAreNotFreedForAnother) {
  Cluster cluster;
  cluster.Host("a", 2);
  cluster.Run(1, {{"a", 1}}, kHour);
  cluster.Run(2, {{"a", 1}}, kHour).preemptible = false;
  cluster.Queue(3, 1, kHour, 90).submitted_ms = kNow - 50 * kHour;  // may not preempt, but is ahead
  cluster.Queue(20, 1, kHour, 100);
  const SchedulerOutput output = cluster.Decide();
  EXPECT_THAT(Preempted(output), IsEmpty());
  EXPECT_THAT(Started(output), IsEmpty());
}

TEST(SchedulerPreemptionTest, VictimsAreNotPreemptedTwice) {
  Cluster cluster;
  cluster.Host("a", 4);
  for (std::uint64_t id = 1; id <= 4; ++id) cluster.Run(id, {{"a", 1}}, kHour);
  cluster.Queue(20, 2, kHour, 200);
  cluster.Queue(21, 1, kHour, 200);
  const SchedulerOutput output = cluster.Decide();
  EXPECT_THAT(Preempted(output), UnorderedElementsAre("3 for 20", "4 for 20", "2 for 21"));
  EXPECT_THAT(Preempted(cluster.After(output).Decide()), IsEmpty());
}

}  // namespace
}  // namespace still::coordinator
