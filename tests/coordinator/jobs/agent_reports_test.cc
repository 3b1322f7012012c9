// Reports of agents, and agents that are lost.
#include <gmock/gmock.h>

#include "coordinator/jobs/names.h"
#include "coordinator/jobs/queue.h"
#include "tests/coordinator/jobs/jobs_fixture.h"
#include "tests/testing/recoveries.h"

namespace still::coordinator {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;

using AgentReportsTest = DecisionsFixture;

// Returns the generations that follow the recoveries of a line of the history.
std::vector<std::uint64_t> GenerationsOf(const v1::HistoryEvent& event) {
  std::vector<std::uint64_t> generations;
  for (const v1::Recovery& recovery : event.recoveries()) generations.push_back(recovery.generation());
  return generations;
}

TEST_F(AgentReportsTest, ADeathIsFollowedByAnotherAttemptAfterAPauseUntilTheRetriesAreUsedUp) {
  const std::uint64_t job = Submit({Spec("one")});
  Run(job);
  End(job, Code::kUnavailable);
  EXPECT_EQ(StateOf(job), "STARTING") << "the first death has no pause";
  EXPECT_EQ(Job(job).attempt(), 2U);
  Run(job);
  End(job, Code::kUnavailable);
  EXPECT_EQ(StateOf(job), "RECOVERING");
  EXPECT_THAT(ReasonsOf(job), Contains("PAUSE"));
  Later(1000);
  EXPECT_EQ(StateOf(job), "STARTING");
  Run(job);
  End(job, Code::kUnavailable);
  EXPECT_EQ(StateOf(job), "FAILED");
  EXPECT_EQ(CauseOf(job), "RETRIES_EXHAUSTED");
  EXPECT_EQ(Job(job).message(), "as it ended; `still requeue 1` continues");
  EXPECT_EQ(Job(job).recoveries(), 2U) << "no attempt followed the third death";
  EXPECT_EQ(Job(job).last_recovery().at_ms(), now_ - 1000);
}

TEST_F(AgentReportsTest, AStepGainedResetsTheFailures) {
  const std::uint64_t job = Submit({Spec("one")});
  for (std::uint64_t step = 1; step <= 10; ++step) {
    Run(job);
    End(job, Code::kUnavailable, step);
    EXPECT_EQ(StateOf(job), "STARTING") << step;
  }
  EXPECT_EQ(Job(job).failures(), 1U);
}

TEST_F(AgentReportsTest, ALostHostIsAvoidedAndTheGangContinuesWithTheRanksThatFit) {
  SetHosts({{"a", 2}, {"b", 2}, {"c", 2}});
  const std::uint64_t job = Submit({Spec("one", 6)});
  Run(job);
  End(job, Code::kUnavailable, 3, "b");
  EXPECT_EQ(StateOf(job), "STARTING");
  EXPECT_EQ(PlacementText(Job(job)), "a:2, c:2");
  EXPECT_EQ(Job(job).spec().ranks(), 6U);
  EXPECT_GT(state_.hosts().at("b").blacklisted_until_ms(), now_);
  EXPECT_EQ(HostStateOf(state_.hosts().at("b"), now_), v1::HOST_STATE_BLACKLISTED);
  EXPECT_THAT(ClosedReason(state_.hosts().at("b"), now_), ::testing::StartsWith("lost once; tried again in "));
  EXPECT_EQ(ClosedReason(state_.hosts().at("a"), now_), "");
  Run(job);
  End(job, Code::kOk);
  const std::uint64_t next = Submit({Spec("two", 6)});
  EXPECT_EQ(StateOf(next), "PENDING");
  Later(61'000);
  EXPECT_EQ(StateOf(next), "STARTING") << "the host is tried again";
}

TEST_F(AgentReportsTest, AReportOfAnotherAttemptChangesNothing) {
  const std::uint64_t job = Submit({Spec("one")});
  Run(job);
  v1::AgentReport zombie = Report(job);
  End(job, Code::kUnavailable);
  ASSERT_EQ(Job(job).attempt(), 2U);
  zombie.mutable_outcome()->set_code(v1::CODE_OK);
  EXPECT_TRUE(decisions_.OnReport(state_, zombie, now_).empty());
  const auto orders = JobDecisions::OrdersFor(&Job(job), zombie);
  EXPECT_TRUE(orders.kill());
  EXPECT_TRUE(orders.acknowledged());
}

TEST_F(AgentReportsTest, ALateReportOfAnOlderGenerationDoesNotMakeAJobRun) {
  const std::uint64_t job = Submit({Spec("one")});
  OnReport(Report(job, 1));
  OnReport(Report(job, 2, /*running=*/false));
  EXPECT_EQ(StateOf(job), "STARTING") << "its agent launches again";
  OnReport(Report(job, 1));
  EXPECT_EQ(StateOf(job), "STARTING");
  EXPECT_EQ(Job(job).generation(), 2U);
}

TEST_F(AgentReportsTest, ARecoveryIsRecordedEvenWhenItIsReportedAfterItsGeneration) {
  const std::uint64_t id = Submit({Spec("a", 4)});
  Run(id);
  auto in_place = Report(id, 2);
  OnReport(in_place);
  *in_place.add_recoveries() = testing::RecoveryOf({.survivors = 3});
  const Changes changes = decisions_.OnReport(state_, in_place, now_);
  ASSERT_EQ(changes.events.size(), 1u);
  EXPECT_THAT(GenerationsOf(changes.events[0]), ElementsAre(2U));
  EXPECT_EQ(changes.events[0].cause(), v1::CAUSE_PROCESS_DEATH);
  Apply(changes);
  EXPECT_TRUE(decisions_.OnReport(state_, in_place, now_).empty()) << "reported again";
  EXPECT_EQ(Job(id).recoveries(), 1U);
}

TEST_F(AgentReportsTest, ARecoveryIsCountedOnceHoweverOftenItIsReported) {
  const std::uint64_t id = Submit({Spec("a", 4)});
  Run(id);
  auto report = Report(id, 2);
  *report.add_recoveries() = testing::RecoveryOf({.survivors = 3});
  OnReport(report);
  now_ += 5000;
  report.set_generation(3);
  *report.add_recoveries() =
      testing::RecoveryOf({.generation = 3, .rank = 2, .cause = v1::DEATH_CAUSE_HUNG, .survivors = 0});
  for (int i = 0; i < 3; ++i) OnReport(report);
  EXPECT_EQ(Job(id).recoveries(), 2U);
  EXPECT_EQ(Job(id).last_recovery().at_ms(), now_);
  EXPECT_EQ(Job(id).last_recovery().cause(), v1::CAUSE_PROCESS_DEATH);
  EXPECT_EQ(Job(id).last_recovery().recovery().generation(), 3U);
  EXPECT_THAT(GenerationsOf(history_.back()), ElementsAre(3U)) << "the first one is not recorded twice";
  EXPECT_EQ(Job(id).message(), "") << "views make the text from the facts";
}

TEST_F(AgentReportsTest, AJobThatSomebodyElseEndedContinuesByItself) {
  const std::uint64_t job = Submit({Spec("one"), Spec("two", 1, {1})});
  Run(job);
  End(job, Code::kCancelled, 4);  // SIGTERM at the machine's shutdown
  EXPECT_EQ(StateOf(job), "PENDING");
  EXPECT_EQ(StateOf(job + 1), "PENDING");
  Later(60'000);
  EXPECT_EQ(StateOf(job), "STARTING");
}

TEST_F(AgentReportsTest, AStepThatALostAgentReportedCountsAsGained) {
  const std::uint64_t job = Submit({Spec("one")});
  for (std::uint64_t step = 1; step <= 10; ++step) {
    Run(job);
    Apply(decisions_.OnAgentGone(state_, job, Job(job).attempt(), now_, step));
    Advance();
    EXPECT_EQ(StateOf(job), "STARTING") << step;
  }
}

TEST_F(AgentReportsTest, AHostLostWhileAJobIsHeldIsBlacklisted) {
  SetHosts({{"a", 1}, {"b", 1}});
  const std::uint64_t job = Submit({Spec("one", 2)});
  Run(job);
  EXPECT_OK(Change(v1::JOB_VERB_HOLD, job));
  End(job, Code::kUnavailable, 1, "b");
  EXPECT_EQ(StateOf(job), "HELD");
  EXPECT_GT(state_.hosts().at("b").blacklisted_until_ms(), now_);
}

TEST_F(AgentReportsTest, ARecoveryDuringADrainIsRecordedAndTheReasonOfTheEndStays) {
  const std::uint64_t job = RunWithALimitOfAMinute();
  Later(60'000);
  ASSERT_EQ(StateOf(job), "COMPLETING");
  v1::AgentReport report = Report(job, 2);
  *report.add_recoveries() = testing::RecoveryOf();
  OnReport(report);
  EXPECT_THAT(GenerationsOf(history_.back()), ElementsAre(2U));
  EXPECT_EQ(Job(job).recoveries(), 1U);
  End(job, Code::kCancelled);
  EXPECT_EQ(StateOf(job), "TIMEOUT");
  EXPECT_EQ(CauseOf(job), "TIME_LIMIT");
}

TEST_F(AgentReportsTest, AnAgentThatIsGoneIsADeath) {
  const std::uint64_t job = Submit({Spec("one")});
  Run(job);
  Apply(decisions_.OnAgentGone(state_, job, 1, now_));
  EXPECT_EQ(StateOf(job), "RECOVERING");
  EXPECT_EQ(CauseOf(job), "AGENT_LOST");
  Advance();
  EXPECT_EQ(StateOf(job), "STARTING");
  EXPECT_TRUE(decisions_.OnAgentGone(state_, job, 1, now_).empty()) << "the attempt is over";
}

TEST_F(AgentReportsTest, AnAgentThatCannotBeStartedIsTriedAgainOnlyWhenThatMayHelp) {
  const std::uint64_t job = Submit({Spec("one")});
  Apply(decisions_.OnLaunchFailed(state_, job, 1, Error(Code::kResourceExhausted, "disk full"), now_));
  EXPECT_EQ(StateOf(job), "RECOVERING");
  Advance();
  Apply(decisions_.OnLaunchFailed(state_, job, 2, Error(Code::kNotFound, "no mpirun"), now_));
  EXPECT_EQ(StateOf(job), "FAILED");
  EXPECT_EQ(CauseOf(job), "LAUNCH_FAILED");
}

}  // namespace
}  // namespace still::coordinator
