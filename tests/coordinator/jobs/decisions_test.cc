// The coordinator's other decisions: submissions, dependencies, limits, preemption and hosts.
#include <gmock/gmock.h>

#include "common/enum_words.h"
#include "coordinator/jobs/names.h"
#include "tests/coordinator/jobs/jobs_fixture.h"

namespace still::coordinator {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
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

TEST_F(DecisionsTest, EveryTransitionIsInTheHistoryWithItsCauseAndActor) {
  const std::uint64_t job = Submit({Spec("one")});
  Run(job);
  EXPECT_OK(Change(v1::JOB_VERB_CANCEL, job));
  End(job, Code::kCancelled);
  std::vector<std::string> lines;
  for (const auto& event : history_)
    if (event.job() == job)
      lines.push_back(fmt::format("{}>{} {} {}", EnumWord(event.from()), EnumWord(event.to()), EnumWord(event.cause()),
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
  EXPECT_OK(Change(v1::JOB_VERB_HOLD, first));
  EXPECT_OK(Change(v1::JOB_VERB_CANCEL, filler));
  End(filler, Code::kCancelled);
  EXPECT_EQ(StateOf(second), "STARTING");
  EXPECT_THAT(ReasonsOf(first), ElementsAre("HELD"));
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
