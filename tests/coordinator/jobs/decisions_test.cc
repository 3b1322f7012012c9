// The coordinator's decisions, event by event.
#include <gmock/gmock.h>

#include "common/vocabulary.h"
#include "coordinator/jobs/names.h"
#include "tests/coordinator/jobs/jobs_fixture.h"
#include "tests/testing/recoveries.h"

namespace still::coordinator {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::StatusIs;
using v1::ChangeJobs;

using DecisionsTest = DecisionsFixture;

// Returns the generations that follow the recoveries of a line of the history.
std::vector<std::uint64_t> GenerationsOf(const v1::HistoryEvent& event) {
  std::vector<std::uint64_t> generations;
  for (const v1::Recovery& recovery : event.recoveries()) generations.push_back(recovery.generation());
  return generations;
}

TEST_F(DecisionsTest, AJobWithSlotsStartsRunsAndSucceeds) {
  const std::uint64_t job = Submit({Spec("one")});
  EXPECT_EQ(StateOf(job), "STARTING");
  EXPECT_EQ(PlacementText(Job(job)), "a:2");
  EXPECT_EQ(Job(job).attempt(), 1U);
  Run(job);
  EXPECT_EQ(StateOf(job), "RUNNING");
  End(job, Code::kOk);
  EXPECT_EQ(StateOf(job), "SUCCEEDED");
  EXPECT_EQ(CauseOf(job), "DONE");
}

TEST_F(DecisionsTest, EveryTransitionIsInTheHistoryWithItsCauseAndActor) {
  const std::uint64_t job = Submit({Spec("one")});
  Run(job);
  EXPECT_OK(Change(ChangeJobs::CANCEL, job));
  End(job, Code::kCancelled);
  std::vector<std::string> lines;
  for (const auto& event : history_)
    if (event.job() == job)
      lines.push_back(fmt::format("{}>{} {} {}", EnumName(event.from()), EnumName(event.to()), EnumName(event.cause()),
                                  event.actor()));
  EXPECT_THAT(lines, ElementsAre(">PENDING SUBMITTED alice", "PENDING>STARTING SCHEDULED scheduler",
                                 "STARTING>RUNNING STARTED agent", "RUNNING>COMPLETING USER bob",
                                 "COMPLETING>CANCELLED USER agent"));
  for (std::size_t i = 0; i < history_.size(); ++i) EXPECT_EQ(history_[i].sequence(), i + 1) << "gapless";
}

TEST_F(DecisionsTest, TheSameSubmissionTwiceIsOnePipeline) {
  const auto first = TrySubmit({Spec("one")}, "key");
  ASSERT_OK(first.status());
  Apply(first->changes);
  const auto again = TrySubmit({Spec("one")}, "key");
  ASSERT_OK(again.status());
  EXPECT_EQ(again->pipeline, first->pipeline);
  EXPECT_EQ(again->jobs, first->jobs);
  EXPECT_TRUE(again->changes.empty());
}

TEST_F(DecisionsTest, ASubmissionThatMakesNoSenseIsRefused) {
  EXPECT_THAT(TrySubmit({Spec("one", 5)}), StatusIs(Code::kInvalidArgument));
  EXPECT_THAT(TrySubmit({Spec("one", 1, {1})}), StatusIs(Code::kInvalidArgument));
  EXPECT_THAT(TrySubmit({Spec("one", 0)}), StatusIs(Code::kInvalidArgument));
  EXPECT_THAT(TrySubmit({}), StatusIs(Code::kInvalidArgument));
  auto path = Spec("one");
  path.set_digest("../../etc");
  EXPECT_THAT(TrySubmit({path}), StatusIs(Code::kInvalidArgument));
}

TEST_F(DecisionsTest, AJobWaitsForItsDependenciesAndIsCancelledWhenOneFails) {
  const std::uint64_t first = Submit({Spec("one"), Spec("two", 1, {1}), Spec("three", 1, {2})});
  EXPECT_EQ(StateOf(first + 1), "PENDING");
  EXPECT_THAT(ReasonsOf(first + 1), ElementsAre("DEPENDENCY"));
  Run(first);
  End(first, Code::kDataLoss);
  EXPECT_EQ(StateOf(first), "FAILED");
  EXPECT_EQ(CauseOf(first), "ERROR");
  EXPECT_EQ(StateOf(first + 1), "CANCELLED");
  EXPECT_EQ(StateOf(first + 2), "CANCELLED");
  EXPECT_EQ(CauseOf(first + 2), "DEPENDENCY_FAILED");
}

TEST_F(DecisionsTest, TheSecondJobOfAnArtifactWaitsForTheFirstAndReusesIt) {
  const std::uint64_t first = Submit({Spec("same", 1)});
  const std::uint64_t second = Submit({Spec("same", 1)});
  EXPECT_EQ(StateOf(second), "PENDING");
  EXPECT_THAT(ReasonsOf(second), ElementsAre("ARTIFACT_BUSY"));
  Run(first);
  End(first, Code::kOk);
  EXPECT_EQ(StateOf(second), "SUCCEEDED");
  EXPECT_EQ(CauseOf(second), "REUSED");
}

TEST_F(DecisionsTest, AHeldMakerDoesNotBlockTheNextOne) {
  const std::uint64_t filler = Submit({Spec("filler", 4)});
  const std::uint64_t first = Submit({Spec("same", 1)});
  const std::uint64_t second = Submit({Spec("same", 1)});
  EXPECT_OK(Change(ChangeJobs::HOLD, first));
  EXPECT_OK(Change(ChangeJobs::CANCEL, filler));
  End(filler, Code::kCancelled);
  EXPECT_EQ(StateOf(second), "STARTING");
  EXPECT_THAT(ReasonsOf(first), ElementsAre("HELD"));
}

TEST_F(DecisionsTest, ADeathIsFollowedByAnotherAttemptAfterAPauseUntilTheRetriesAreUsedUp) {
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

TEST_F(DecisionsTest, AStepGainedResetsTheFailures) {
  const std::uint64_t job = Submit({Spec("one")});
  for (std::uint64_t step = 1; step <= 10; ++step) {
    Run(job);
    End(job, Code::kUnavailable, step);
    EXPECT_EQ(StateOf(job), "STARTING") << step;
  }
  EXPECT_EQ(Job(job).failures(), 1U);
}

TEST_F(DecisionsTest, ALostHostIsAvoidedAndTheGangContinuesWithTheRanksThatFit) {
  SetHosts({{"a", 2}, {"b", 2}, {"c", 2}});
  const std::uint64_t job = Submit({Spec("one", 6)});
  Run(job);
  End(job, Code::kUnavailable, 3, "b");
  EXPECT_EQ(StateOf(job), "STARTING");
  EXPECT_EQ(PlacementText(Job(job)), "a:2, c:2");
  EXPECT_EQ(Job(job).spec().ranks(), 6U);
  EXPECT_GT(state_.hosts().at("b").blacklisted_until_ms(), now_);
  Run(job);
  End(job, Code::kOk);
  const std::uint64_t next = Submit({Spec("two", 6)});
  EXPECT_EQ(StateOf(next), "PENDING");
  Later(61'000);
  EXPECT_EQ(StateOf(next), "STARTING") << "the host is tried again";
}

TEST_F(DecisionsTest, AReportOfAnotherAttemptChangesNothing) {
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

TEST_F(DecisionsTest, ALateReportOfAnOlderGenerationDoesNotMakeAJobRun) {
  const std::uint64_t job = Submit({Spec("one")});
  OnReport(Report(job, 1));
  OnReport(Report(job, 2, /*running=*/false));
  EXPECT_EQ(StateOf(job), "STARTING") << "its agent launches again";
  OnReport(Report(job, 1));
  EXPECT_EQ(StateOf(job), "STARTING");
  EXPECT_EQ(Job(job).generation(), 2U);
}

TEST_F(DecisionsTest, ARecoveryIsRecordedEvenWhenItIsReportedAfterItsGeneration) {
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

TEST_F(DecisionsTest, ARecoveryIsCountedOnceHoweverOftenItIsReported) {
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

TEST_F(DecisionsTest, CancelDrainsThenKills) {
  const std::uint64_t job = Submit({Spec("one")});
  Run(job);
  EXPECT_OK(Change(ChangeJobs::CANCEL, job));
  EXPECT_EQ(StateOf(job), "COMPLETING");
  EXPECT_TRUE(Orders(job).drain());
  EXPECT_FALSE(Orders(job).kill());
  EXPECT_OK(Change(ChangeJobs::CANCEL, job));
  EXPECT_TRUE(Orders(job).kill());
  End(job, Code::kCancelled);
  EXPECT_EQ(StateOf(job), "CANCELLED");
  EXPECT_THAT(Change(ChangeJobs::CANCEL, job), StatusIs(Code::kInvalidArgument));
}

TEST_F(DecisionsTest, AJobThatSucceedsWhileItIsCancelledHasSucceeded) {
  const std::uint64_t job = Submit({Spec("one")});
  Run(job);
  EXPECT_OK(Change(ChangeJobs::CANCEL, job));
  End(job, Code::kOk);
  EXPECT_EQ(StateOf(job), "SUCCEEDED") << "its artifact stands";
}

TEST_F(DecisionsTest, AHeldJobKeepsItsWorkAndContinuesAfterItsRelease) {
  const std::uint64_t job = Submit({Spec("one")});
  Run(job);
  EXPECT_OK(Change(ChangeJobs::HOLD, job));
  EXPECT_TRUE(Orders(job).drain());
  End(job, Code::kCancelled, 5);
  EXPECT_EQ(StateOf(job), "HELD");
  EXPECT_OK(Change(ChangeJobs::RELEASE, job));
  EXPECT_EQ(StateOf(job), "STARTING");
  EXPECT_EQ(Job(job).attempt(), 2U);
}

TEST_F(DecisionsTest, RequeueRestartsAFailedJobButNotASucceededOne) {
  const std::uint64_t job = Submit({Spec("one")});
  Run(job);
  End(job, Code::kDataLoss);
  EXPECT_OK(Change(ChangeJobs::REQUEUE, job));
  EXPECT_EQ(StateOf(job), "STARTING");
  End(job, Code::kOk);
  EXPECT_THAT(Change(ChangeJobs::REQUEUE, job), StatusIs(Code::kInvalidArgument));
}

TEST_F(DecisionsTest, AJobThatSomebodyElseEndedContinuesByItself) {
  const std::uint64_t job = Submit({Spec("one"), Spec("two", 1, {1})});
  Run(job);
  End(job, Code::kCancelled, 4);  // SIGTERM at the machine's shutdown
  EXPECT_EQ(StateOf(job), "PENDING");
  EXPECT_EQ(StateOf(job + 1), "PENDING");
  Later(60'000);
  EXPECT_EQ(StateOf(job), "STARTING");
}

TEST_F(DecisionsTest, AStepThatALostAgentReportedCountsAsGained) {
  const std::uint64_t job = Submit({Spec("one")});
  for (std::uint64_t step = 1; step <= 10; ++step) {
    Run(job);
    Apply(decisions_.OnAgentGone(state_, job, Job(job).attempt(), now_, step));
    Advance();
    EXPECT_EQ(StateOf(job), "STARTING") << step;
  }
}

TEST_F(DecisionsTest, AHostLostWhileAJobIsHeldIsBlacklisted) {
  SetHosts({{"a", 1}, {"b", 1}});
  const std::uint64_t job = Submit({Spec("one", 2)});
  Run(job);
  EXPECT_OK(Change(ChangeJobs::HOLD, job));
  End(job, Code::kUnavailable, 1, "b");
  EXPECT_EQ(StateOf(job), "HELD");
  EXPECT_GT(state_.hosts().at("b").blacklisted_until_ms(), now_);
}

TEST_F(DecisionsTest, ATimeLimitDrainsTheAttempt) {
  const std::uint64_t job = RunWithALimitOfAMinute();
  Later(59'999);
  EXPECT_EQ(StateOf(job), "RUNNING");
  Later(1);
  EXPECT_EQ(StateOf(job), "COMPLETING");
  EXPECT_TRUE(Orders(job).drain());
  End(job, Code::kCancelled);
  EXPECT_EQ(StateOf(job), "TIMEOUT");
}

TEST_F(DecisionsTest, ARecoveryDuringADrainIsRecordedAndTheReasonOfTheEndStays) {
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

// By the limits, job 3 waits behind job 2. If the estimate of job 1 decided anything, job 3 would start at once.
TEST_F(DecisionsTest, EstimatesOfRunningJobsAreShownAndDecideNothing) {
  SetHosts({{"a", 2}, {"b", 2}});
  const auto limited = [](const std::string& name, std::uint32_t ranks, std::uint32_t slots, std::int64_t limit_ms) {
    auto spec = Spec(name, ranks);
    spec.set_slots_per_rank(slots);
    spec.set_time_limit_ms(limit_ms);
    return spec;
  };
  const std::uint64_t whole = Submit({limited("whole", 1, 2, 3'600'000)});
  const std::uint64_t half = Submit({limited("half", 1, 1, 600'000)});
  const std::uint64_t wide = Submit({limited("wide", 1, 2, 3'600'000)});
  const std::uint64_t narrow = Submit({limited("narrow", 1, 1, 1'800'000)});
  ASSERT_EQ(StateOf(whole), "STARTING");
  ASSERT_EQ(StateOf(half), "STARTING");

  const auto by_limits = decisions_.Waits(state_, now_);
  EXPECT_EQ(by_limits.at(wide).predicted_start_ms, now_ + 600'000);
  const auto shown = decisions_.Waits(state_, now_, {{whole, 300'000}});
  EXPECT_EQ(shown.at(wide).predicted_start_ms, now_ + 300'000);
  ASSERT_TRUE(shown.contains(narrow)) << "it waits, whatever the estimates say";
  EXPECT_EQ(shown.at(narrow).position, 2U);
  EXPECT_FALSE(shown.at(narrow).reasons.empty());
  EXPECT_EQ(StateOf(narrow), "PENDING");
}

TEST_F(DecisionsTest, JobsBeyondTheReservationsGetAPredictedStartThatMaySlip) {
  SetHosts({{"a", 1}});
  std::vector<v1::JobSpec> specs;
  for (int i = 0; i < 100; ++i) {
    specs.push_back(Spec(fmt::format("job-{}", i), 1));
    specs.back().set_time_limit_ms(60'000);
  }
  const std::uint64_t first = Submit(specs);
  const auto waits = decisions_.Waits(state_, now_);
  EXPECT_EQ(waits.at(first + 17).predicted_start_ms, now_ + 17 * 60'000);
  EXPECT_EQ(waits.at(first + 17).reasons.back().code, v1::WAIT_REASON_DEPTH);
  EXPECT_FALSE(waits.at(first + 17).slots_kept);
  EXPECT_EQ(waits.at(first + 99).predicted_start_ms, 0);
  EXPECT_EQ(waits.at(first + 99).reasons.back().code, v1::WAIT_REASON_DEPTH);
}

TEST_F(DecisionsTest, AnUrgentJobPreemptsAPreemptibleJobWhichComesBack) {
  const std::uint64_t patient = Submit({Spec("patient", 4)});
  Run(patient);
  auto urgent_spec = Spec("urgent", 4);
  urgent_spec.set_priority(1000);
  const std::uint64_t urgent = Submit({urgent_spec});
  EXPECT_EQ(StateOf(patient), "PREEMPTING");
  EXPECT_TRUE(Orders(patient).drain());
  End(patient, Code::kCancelled, 7);
  EXPECT_EQ(StateOf(patient), "PENDING");
  EXPECT_EQ(CauseOf(patient), "PREEMPTED");
  EXPECT_EQ(StateOf(urgent), "STARTING");
  Run(urgent);
  End(urgent, Code::kOk);
  EXPECT_EQ(StateOf(patient), "STARTING");
  EXPECT_EQ(Job(patient).failures(), 0U);
}

TEST_F(DecisionsTest, ADrainedHostKeepsItsRunningJobsAndTakesNoNewOnes) {
  const std::uint64_t running = Submit({Spec("one")});
  v1::ChangeHost drain;
  drain.set_host("a");
  drain.set_drain(true);
  drain.set_reason("disk swap");
  const auto drained = decisions_.ChangeHost(state_, drain, "carol", now_);
  ASSERT_OK(drained.status());
  Apply(*drained);
  const std::uint64_t waiting = Submit({Spec("two", 1)});
  EXPECT_EQ(StateOf(running), "STARTING");
  EXPECT_EQ(StateOf(waiting), "PENDING");
  EXPECT_THAT(ReasonsOf(waiting), Contains("HOSTS_DRAINED"));
  drain.set_host("nowhere");
  EXPECT_THAT(decisions_.ChangeHost(state_, drain, "carol", now_), StatusIs(Code::kNotFound));
}

TEST_F(DecisionsTest, AnMpirunTypedByHandTakesAWaitingJobWithoutSlots) {
  const std::uint64_t filler = Submit({Spec("filler", 4)});
  auto spec = Spec("by-hand", 2);
  spec.set_attach(true);
  const std::uint64_t job = Submit({spec});
  EXPECT_THAT(ReasonsOf(job), ElementsAre("ATTACH"));
  const auto attached = decisions_.AttachLaunch(state_, job, "launch-1", 3, now_);
  ASSERT_OK(attached.status());
  EXPECT_EQ(RanksOf(Job(job)), 2U);
  Apply(*attached);
  EXPECT_EQ(StateOf(job), "STARTING");
  EXPECT_EQ(StateOf(filler), "STARTING");
  EXPECT_EQ(RanksOf(Job(job)), 3U) << "as the mpirun has them";
  const auto again = decisions_.AttachLaunch(state_, job, "launch-1", 3, now_);
  ASSERT_OK(again.status());
  EXPECT_TRUE(again->empty()) << "another rank of the same mpirun";
  EXPECT_THAT(decisions_.AttachLaunch(state_, job, "launch-2", 3, now_), StatusIs(Code::kUnavailable));
  Run(job);
  End(job, Code::kUnavailable);
  EXPECT_EQ(StateOf(job), "PENDING") << "waits for an mpirun, not for slots";
  EXPECT_EQ(RanksOf(Job(job)), 2U);
  EXPECT_THAT(decisions_.AttachLaunch(state_, job, "launch-1", 3, now_), StatusIs(Code::kInvalidArgument));
  const auto next = decisions_.AttachLaunch(state_, job, "launch-2", 1, now_);
  ASSERT_OK(next.status());
  Apply(*next);
  EXPECT_EQ(Job(job).attempt(), 2U);
}

TEST_F(DecisionsTest, AnMpirunTypedByHandWaitsWhileAnotherJobMakesTheArtifact) {
  const std::uint64_t first = Submit({Spec("same", 1)});
  auto spec = Spec("same", 1);
  spec.set_attach(true);
  const std::uint64_t second = Submit({spec});
  EXPECT_EQ(StateOf(first), "STARTING");
  EXPECT_THAT(decisions_.AttachLaunch(state_, second, "launch", 1, now_), StatusIs(Code::kUnavailable));
}

TEST_F(DecisionsTest, AReleasedAttachJobIsStartedByTheScheduler) {
  auto spec = Spec("by-hand", 2);
  spec.set_attach(true);
  const std::uint64_t job = Submit({spec});
  EXPECT_OK(Change(ChangeJobs::RELEASE, job));
  EXPECT_EQ(StateOf(job), "STARTING");
  EXPECT_EQ(PlacementText(Job(job)), "a:2");
}

TEST_F(DecisionsTest, AnAgentThatIsGoneIsADeath) {
  const std::uint64_t job = Submit({Spec("one")});
  Run(job);
  Apply(decisions_.OnAgentGone(state_, job, 1, now_));
  EXPECT_EQ(StateOf(job), "RECOVERING");
  EXPECT_EQ(CauseOf(job), "AGENT_LOST");
  Advance();
  EXPECT_EQ(StateOf(job), "STARTING");
  EXPECT_TRUE(decisions_.OnAgentGone(state_, job, 1, now_).empty()) << "the attempt is over";
}

TEST_F(DecisionsTest, AnAgentThatCannotBeStartedIsTriedAgainOnlyWhenThatMayHelp) {
  const std::uint64_t job = Submit({Spec("one")});
  Apply(decisions_.OnLaunchFailed(state_, job, 1, Error(Code::kResourceExhausted, "disk full"), now_));
  EXPECT_EQ(StateOf(job), "RECOVERING");
  Advance();
  Apply(decisions_.OnLaunchFailed(state_, job, 2, Error(Code::kNotFound, "no mpirun"), now_));
  EXPECT_EQ(StateOf(job), "FAILED");
  EXPECT_EQ(CauseOf(job), "LAUNCH_FAILED");
}

TEST_F(DecisionsTest, RunningJobsKeepSlotsThatLeftTheInventoryAndNobodyGetsThemAfterwards) {
  const std::uint64_t first = Submit({Spec("first", 2)});
  const std::uint64_t second = Submit({Spec("second", 2)});
  Run(first);
  Run(second);
  SetHosts({{"a", 1}});  // as a restart with another hostfile does; Apply checks the invariants
  EXPECT_EQ(Job(second).state(), v1::JOB_RUNNING);
  const std::uint64_t third = Submit({Spec("third", 1)});
  End(first, Code::kOk);
  Later(1000);
  EXPECT_EQ(Job(third).state(), v1::JOB_PENDING) << "two slots are in use, of one";
  SetHosts({{"a", 1}});
  End(second, Code::kOk);
  Later(1000);
  EXPECT_EQ(Job(third).state(), v1::JOB_STARTING);
}

}  // namespace
}  // namespace still::coordinator
