// What the coordinator decides, event by event.
#include <gmock/gmock.h>

#include "tests/coordinator/jobs/jobs_fixture.h"

#include "common/death_text.h"
#include "tests/testing/recoveries.h"

namespace still::coordinator {
namespace {

using stillhouse::v1::ChangeJobs;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::StatusIs;

using DecisionsTest = DecisionsFixture;

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

TEST_F(DecisionsTest, EveryTransitionIsInTheHistoryWithCauseAndActor) {
  const std::uint64_t job = Submit({Spec("one")});
  Run(job);
  EXPECT_OK(Change(ChangeJobs::CANCEL, job));
  End(job, Code::kCancelled);
  std::vector<std::string> lines;
  for (const auto& event : history_)
    if (event.job() == job)
      lines.push_back(fmt::format("{}>{} {} {}", StateName(event.from()), StateName(event.to()),
                                  CauseName(event.cause()), event.actor()));
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

TEST_F(DecisionsTest, SubmissionsThatMakeNoSenseAreRefusedByName) {
  EXPECT_THAT(TrySubmit({Spec("one", 5)}), StatusIs(Code::kInvalidArgument, HasSubstr("all hosts together hold 4")));
  EXPECT_THAT(TrySubmit({Spec("one", 1, {1})}), StatusIs(Code::kInvalidArgument, HasSubstr("depends on job 1")));
  EXPECT_THAT(TrySubmit({Spec("one", 0)}), StatusIs(Code::kInvalidArgument, HasSubstr("ranks")));
  EXPECT_THAT(TrySubmit({}), StatusIs(Code::kInvalidArgument));
  auto path = Spec("one");
  path.set_digest("../../etc");
  EXPECT_THAT(TrySubmit({path}), StatusIs(Code::kInvalidArgument));
}

TEST_F(DecisionsTest, DependenciesAreWaitedForAndTheirFailureEndsWhoNeedsThem) {
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

TEST_F(DecisionsTest, ADeathIsFollowedByAnotherAttemptAfterAPauseUntilTheBudgetIsUsedUp) {
  const std::uint64_t job = Submit({Spec("one")});
  Run(job);
  End(job, Code::kUnavailable);
  EXPECT_EQ(StateOf(job), "STARTING") << "the first one at once";
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
  EXPECT_EQ(Job(job).recoveries(), 2U) << "nothing went on after the third";
  EXPECT_EQ(Job(job).last_recovery().at_ms(), now_ - 1000);
}

TEST_F(DecisionsTest, AStepGainedStartsTheBudgetAnew) {
  const std::uint64_t job = Submit({Spec("one")});
  for (std::uint64_t step = 1; step <= 10; ++step) {
    Run(job);
    End(job, Code::kUnavailable, step);
    EXPECT_EQ(StateOf(job), "STARTING") << step;
  }
  EXPECT_EQ(Job(job).failures(), 1U);
}

TEST_F(DecisionsTest, ALostHostIsAvoidedAndTheGangGoesOnWithTheRanksThatFit) {
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
  stillhouse::v1::AgentReport zombie = Report(job);
  End(job, Code::kUnavailable);
  ASSERT_EQ(Job(job).attempt(), 2U);
  zombie.mutable_outcome()->set_code(stillhouse::v1::CODE_OK);
  EXPECT_TRUE(decisions_.OnReport(state_, zombie, now_).empty());
  const auto orders = JobDecisions::OrdersFor(&Job(job), zombie);
  EXPECT_TRUE(orders.kill());
  EXPECT_TRUE(orders.acknowledged());
}

TEST_F(DecisionsTest, ALateReportOfAnOlderGenerationDoesNotMakeAJobRun) {
  const std::uint64_t job = Submit({Spec("one")});
  Hear(Report(job, 1));
  Hear(Report(job, 2, /*running=*/false));
  EXPECT_EQ(StateOf(job), "STARTING") << "its agent launches again";
  Hear(Report(job, 1));
  EXPECT_EQ(StateOf(job), "STARTING");
  EXPECT_EQ(Job(job).generation(), 2U);
}

TEST_F(DecisionsTest, WhatDiedIsInTheHistoryAlsoWhenItIsSaidAfterTheGenerationThatItBegan) {
  const std::uint64_t id = Submit({Spec("a", 4)});
  Run(id);
  auto in_place = Report(id, 2);
  Hear(in_place);
  *in_place.add_recoveries() = testing::RecoveryOf({.survivors = 3});
  const Changes changes = decisions_.OnReport(state_, in_place, now_);
  ASSERT_EQ(changes.events.size(), 1u);
  EXPECT_THAT(changes.events[0].message(), HasSubstr("rank 1 died"));
  EXPECT_EQ(changes.events[0].cause(), stillhouse::v1::CAUSE_PROCESS_DEATH);
  Apply(changes);
  EXPECT_TRUE(decisions_.OnReport(state_, in_place, now_).empty()) << "said again";
  EXPECT_EQ(Job(id).recoveries(), 1U);
}

TEST_F(DecisionsTest, RecoveriesAreCountedOnceHoweverOftenTheyAreSaid) {
  const std::uint64_t id = Submit({Spec("a", 4)});
  Run(id);
  auto report = Report(id, 2);
  *report.add_recoveries() = testing::RecoveryOf({.survivors = 3});
  Hear(report);
  now_ += 5000;
  report.set_generation(3);
  *report.add_recoveries() =
      testing::RecoveryOf({.generation = 3, .rank = 2, .cause = v1::DEATH_CAUSE_HUNG, .survivors = 0});
  for (int i = 0; i < 3; ++i) Hear(report);
  EXPECT_EQ(Job(id).recoveries(), 2U);
  EXPECT_EQ(Job(id).last_recovery().at_ms(), now_);
  EXPECT_EQ(Job(id).last_recovery().cause(), stillhouse::v1::CAUSE_PROCESS_DEATH);
  EXPECT_EQ(Job(id).last_recovery().recovery().generation(), 3U);
  EXPECT_EQ(history_.back().message(), RecoveryText(report.recoveries(1))) << "the first one is not told twice";
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
  EXPECT_EQ(history_.back().message(), "cancelled at once");
  End(job, Code::kCancelled);
  EXPECT_EQ(StateOf(job), "CANCELLED");
  EXPECT_THAT(Change(ChangeJobs::CANCEL, job), StatusIs(Code::kInvalidArgument, HasSubstr("CANCELLED")));
}

TEST_F(DecisionsTest, CancelRacesCompletionAndOneOfThemHolds) {
  const std::uint64_t job = Submit({Spec("one")});
  Run(job);
  EXPECT_OK(Change(ChangeJobs::CANCEL, job));
  End(job, Code::kOk);
  EXPECT_EQ(StateOf(job), "SUCCEEDED") << "its artifact stands";
}

TEST_F(DecisionsTest, HoldKeepsTheWorkAndReleaseGoesOn) {
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

TEST_F(DecisionsTest, RequeueBringsBackWhatFailedButNotWhatIsMade) {
  const std::uint64_t job = Submit({Spec("one")});
  Run(job);
  End(job, Code::kDataLoss);
  EXPECT_OK(Change(ChangeJobs::REQUEUE, job));
  EXPECT_EQ(StateOf(job), "STARTING");
  End(job, Code::kOk);
  EXPECT_THAT(Change(ChangeJobs::REQUEUE, job), StatusIs(Code::kInvalidArgument, HasSubstr("submit the pipeline")));
}

TEST_F(DecisionsTest, WorkThatSomebodyElseAskedToEndGoesOnByItself) {
  const std::uint64_t job = Submit({Spec("one"), Spec("two", 1, {1})});
  Run(job);
  End(job, Code::kCancelled, 4);  // SIGTERM at the machine's shutdown
  EXPECT_EQ(StateOf(job), "PENDING");
  EXPECT_EQ(StateOf(job + 1), "PENDING");
  Later(60'000);
  EXPECT_EQ(StateOf(job), "STARTING");
}

TEST_F(DecisionsTest, StepsThatALostAgentReportedAreGained) {
  const std::uint64_t job = Submit({Spec("one")});
  for (std::uint64_t step = 1; step <= 10; ++step) {
    Run(job);
    Apply(decisions_.OnAgentGone(state_, job, Job(job).attempt(), now_, step));
    Advance();
    EXPECT_EQ(StateOf(job), "STARTING") << step;
  }
}

TEST_F(DecisionsTest, AHostThatIsLostWhileAJobIsHeldIsRemembered) {
  SetHosts({{"a", 1}, {"b", 1}});
  const std::uint64_t job = Submit({Spec("one", 2)});
  Run(job);
  EXPECT_OK(Change(ChangeJobs::HOLD, job));
  End(job, Code::kUnavailable, 1, "b");
  EXPECT_EQ(StateOf(job), "HELD");
  EXPECT_GT(state_.hosts().at("b").blacklisted_until_ms(), now_);
}

TEST_F(DecisionsTest, ATimeLimitEndsTheAttemptInOrder) {
  const std::uint64_t job = RunWithALimitOfAMinute();
  Later(59'999);
  EXPECT_EQ(StateOf(job), "RUNNING");
  Later(1);
  EXPECT_EQ(StateOf(job), "COMPLETING");
  EXPECT_TRUE(Orders(job).drain());
  End(job, Code::kCancelled);
  EXPECT_EQ(StateOf(job), "TIMEOUT");
}

TEST_F(DecisionsTest, WhatDiesInADrainIsInTheHistoryAndTheReasonOfTheEndStays) {
  const std::uint64_t job = RunWithALimitOfAMinute();
  Later(60'000);
  ASSERT_EQ(StateOf(job), "COMPLETING");
  stillhouse::v1::AgentReport report = Report(job, 2);
  *report.add_recoveries() = testing::RecoveryOf();
  Hear(report);
  EXPECT_EQ(history_.back().message(), RecoveryText(report.recoveries(0)));
  EXPECT_EQ(Job(job).recoveries(), 1U);
  End(job, Code::kCancelled);
  EXPECT_EQ(StateOf(job), "TIMEOUT");
  EXPECT_EQ(Job(job).message(), "its time limit of 1 min 0 s is over");
}

// By the limits job 3 waits behind job 2; were the estimate of job 1 true, it would start at once.
TEST_F(DecisionsTest, WhatIsEstimatedOfRunningJobsIsShownAndDecidesNothing) {
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

TEST_F(DecisionsTest, ThoseBeyondTheReservationsAreToldAStartThatMaySlip) {
  SetHosts({{"a", 1}});
  std::vector<stillhouse::v1::JobSpec> specs;
  for (int i = 0; i < 100; ++i) {
    specs.push_back(Spec(fmt::format("job-{}", i), 1));
    specs.back().set_time_limit_ms(60'000);
  }
  const std::uint64_t first = Submit(specs);
  const auto waits = decisions_.Waits(state_, now_);
  EXPECT_EQ(waits.at(first + 17).predicted_start_ms, now_ + 17 * 60'000);
  EXPECT_THAT(waits.at(first + 17).reasons.back().text, ::testing::StartsWith("jobs behind it may start first"));
  EXPECT_EQ(waits.at(first + 99).predicted_start_ms, 0);
  EXPECT_THAT(waits.at(first + 99).reasons.back().text, ::testing::StartsWith("no start is predicted for it"));
}

TEST_F(DecisionsTest, AnUrgentJobMakesAPreemptibleOneLeaveItsCheckpointAndComeBack) {
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

TEST_F(DecisionsTest, ADrainedHostKeepsWhatRunsAndTakesNothingNew) {
  const std::uint64_t running = Submit({Spec("one")});
  stillhouse::v1::ChangeHost drain;
  drain.set_host("a");
  drain.set_drain(true);
  drain.set_reason("disk swap");
  const auto drained = decisions_.ChangeHost(state_, drain, "carol", now_);
  ASSERT_OK(drained.status());
  Apply(*drained);
  const std::uint64_t waiting = Submit({Spec("two", 1)});
  EXPECT_EQ(StateOf(running), "STARTING");
  EXPECT_EQ(StateOf(waiting), "PENDING");
  EXPECT_THAT(decisions_.Waits(state_, now_)[waiting].reasons.front().text, HasSubstr("disk swap"));
  drain.set_host("nowhere");
  EXPECT_THAT(decisions_.ChangeHost(state_, drain, "carol", now_),
              StatusIs(Code::kNotFound, HasSubstr("the hosts are a")));
}

TEST_F(DecisionsTest, AnMpirunTypedByHandTakesAWaitingJobOutsideOfTheSlots) {
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
  EXPECT_EQ(RanksOf(Job(job)), 3U) << "as it was typed";
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

TEST_F(DecisionsTest, AnMpirunTypedByHandDoesNotMakeWhatAnotherJobMakes) {
  const std::uint64_t first = Submit({Spec("same", 1)});
  auto spec = Spec("same", 1);
  spec.set_attach(true);
  const std::uint64_t second = Submit({spec});
  EXPECT_EQ(StateOf(first), "STARTING");
  EXPECT_THAT(decisions_.AttachLaunch(state_, second, "launch", 1, now_),
              StatusIs(Code::kUnavailable, HasSubstr("is being made by job 1")));
}

TEST_F(DecisionsTest, AnAttachedJobCanBeLeftToTheScheduler) {
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
  EXPECT_TRUE(decisions_.OnAgentGone(state_, job, 1, now_).empty()) << "of an attempt that is over";
}

TEST_F(DecisionsTest, AnAgentThatCannotBeStartedIsTriedAgainOnlyWhereThatMayHelp) {
  const std::uint64_t job = Submit({Spec("one")});
  Apply(decisions_.OnLaunchFailed(state_, job, 1, Error(Code::kResourceExhausted, "disk full"), now_));
  EXPECT_EQ(StateOf(job), "RECOVERING");
  Advance();
  Apply(decisions_.OnLaunchFailed(state_, job, 2, Error(Code::kNotFound, "no mpirun"), now_));
  EXPECT_EQ(StateOf(job), "FAILED");
  EXPECT_THAT(Job(job).message(), HasSubstr("no mpirun"));
}

TEST_F(DecisionsTest, SlotsTakenFromUnderRunningJobsStayTheirsAndComeBackToNobody) {
  const std::uint64_t first = Submit({Spec("first", 2)});
  const std::uint64_t second = Submit({Spec("second", 2)});
  Run(first);
  Run(second);
  SetHosts({{"a", 1}});  // as a restart with another hostfile does; Apply looks for broken invariants
  EXPECT_EQ(Job(second).state(), stillhouse::v1::JOB_RUNNING);
  const std::uint64_t third = Submit({Spec("third", 1)});
  End(first, Code::kOk);
  Later(1000);
  EXPECT_EQ(Job(third).state(), stillhouse::v1::JOB_PENDING) << "two of one slots are in use";
  SetHosts({{"a", 1}});
  End(second, Code::kOk);
  Later(1000);
  EXPECT_EQ(Job(third).state(), stillhouse::v1::JOB_STARTING);
}

}  // namespace
}  // namespace still::coordinator
