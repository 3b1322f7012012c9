#include "coordinator/views/live_jobs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/views/goodput.h"
#include "coordinator/views/stragglers.h"
#include "tests/testing/recoveries.h"

namespace still::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using v1::AgentReport;
using v1::Job;

constexpr UnixMs kStart = 1'000'000;

Job RunningJob(std::uint64_t attempt = 1) {
  Job job;
  job.set_id(3);
  job.set_state(v1::JOB_RUNNING);
  job.set_attempt(attempt);
  job.set_submitted_ms(kStart - 60'000);
  job.set_started_ms(kStart);
  job.mutable_spec()->set_ranks(2);
  return job;
}

AgentReport ReportOf(std::uint64_t sequence, std::uint64_t done, std::uint64_t attempt = 1) {
  AgentReport report;
  report.set_job(3);
  report.set_attempt(attempt);
  report.set_sequence(sequence);
  report.set_generation(attempt);
  report.mutable_progress()->set_done(done);
  report.mutable_progress()->set_total(100'000);
  report.mutable_progress()->set_unit(v1::PROGRESS_UNIT_STEPS);
  report.mutable_progress()->set_tokens(done * 1000);
  (*report.mutable_progress()->mutable_values())["loss"] = 10.0 / static_cast<double>(done + 1);
  return report;
}

v1::RankState Rank(std::uint32_t rank, v1::Phase phase, std::uint64_t step, double seconds) {
  v1::RankState place;
  place.set_rank(rank);
  place.set_phase(phase);
  place.set_step(step);
  place.set_phase_seconds(seconds);
  return place;
}

void AddSeconds(AgentReport* report, v1::Phase phase, double seconds) {
  v1::PhaseSeconds& time = *report->add_phase_seconds();
  time.set_phase(phase);
  time.set_seconds(seconds);
}

TEST(LiveJobsTest, RateIsTheMeanOfTheLastHalfMinute) {
  LiveJobs live;
  for (std::uint64_t second = 0; second <= 100; ++second) {
    const std::uint64_t done = second < 50 ? second : 50 + 3 * (second - 50);
    live.OnReport(ReportOf(second + 1, done), kStart + static_cast<std::int64_t>(second) * 1000);
  }
  EXPECT_DOUBLE_EQ(live.Find(3)->tokens_per_second.value(), 3000);
  EXPECT_DOUBLE_EQ(live.Find(3)->units_per_second.value(), 3);
}

TEST(LiveJobsTest, OneReportGivesNoRate) {
  LiveJobs live;
  live.OnReport(ReportOf(1, 40), kStart);
  EXPECT_FALSE(live.Find(3)->tokens_per_second.has_value());
}

TEST(LiveJobsTest, ReportsThatArriveInABurstGiveNoRate) {
  LiveJobs live;
  for (std::uint64_t i = 0; i < 20; ++i) live.OnReport(ReportOf(i + 1, 50 + i), kStart + static_cast<std::int64_t>(i));
  EXPECT_FALSE(live.Find(3)->tokens_per_second.has_value());
  live.OnReport(ReportOf(21, 71), kStart + 1000);
  EXPECT_DOUBLE_EQ(live.Find(3)->tokens_per_second.value(), 2000);
}

TEST(LiveJobsTest, NewLaunchNeverGivesANegativeRate) {
  LiveJobs live;
  live.OnReport(ReportOf(1, 100), kStart);
  live.OnReport(ReportOf(2, 110), kStart + 1000);
  live.OnReport(ReportOf(3, 90), kStart + 2000);
  EXPECT_FALSE(live.Find(3)->tokens_per_second.has_value());
  live.OnReport(ReportOf(4, 92), kStart + 3000);
  EXPECT_DOUBLE_EQ(live.Find(3)->tokens_per_second.value(), 2000);
}

TEST(LiveJobsTest, RepeatedReportCountsOnceAndProvesLife) {
  LiveJobs live;
  AgentReport report = ReportOf(1, 10);
  *report.add_recoveries() = testing::RecoveryOf();
  live.OnReport(report, kStart);
  live.OnReport(report, kStart + 9000);
  EXPECT_EQ(live.Find(3)->recoveries.at(v1::DEATH_CAUSE_DIED), 1u);
  EXPECT_EQ(live.SilenceMs(RunningJob(), kStart + 10'000), 1000);
}

TEST(LiveJobsTest, RepeatedRecoveriesCountOnce) {
  LiveJobs live;
  AgentReport report = ReportOf(1, 10);
  *report.add_recoveries() = testing::RecoveryOf();
  live.OnReport(report, kStart);
  report.set_sequence(2);
  *report.add_recoveries() = testing::RecoveryOf({.generation = 3, .rank = 0, .step = 18});
  live.OnReport(report, kStart + 1000);
  EXPECT_EQ(live.Find(3)->recoveries.at(v1::DEATH_CAUSE_DIED), 2u);
}

TEST(LiveJobsTest, ReportOfAnOlderAttemptChangesNothing) {
  LiveJobs live;
  live.OnReport(ReportOf(1, 10, 2), kStart);
  live.OnReport(ReportOf(99, 77, 1), kStart + 4000);
  EXPECT_EQ(live.Find(3)->progress->done(), 10u);
  EXPECT_EQ(live.Find(3)->heard_ms, kStart);
}

TEST(LiveJobsTest, SilentAgentIsUnreachableAfterFiveSeconds) {
  LiveJobs live;
  live.OnReport(ReportOf(1, 10), kStart + 1000);
  EXPECT_THAT(live.FlagsOf(RunningJob(), kStart + 6000), IsEmpty());
  EXPECT_THAT(live.FlagsOf(RunningJob(), kStart + 6001), ElementsAre(v1::JOB_FLAG_UNREACHABLE));
}

TEST(LiveJobsTest, NewAttemptMayBeSilentForFiveSeconds) {
  LiveJobs live;
  live.OnReport(ReportOf(1, 10), kStart - 90'000);
  EXPECT_THAT(live.FlagsOf(RunningJob(2), kStart + 4000), IsEmpty());
  EXPECT_THAT(live.FlagsOf(RunningJob(2), kStart + 5001), ElementsAre(v1::JOB_FLAG_UNREACHABLE));
}

TEST(LiveJobsTest, WaitingJobIsNeverUnreachable) {
  LiveJobs live;
  Job job = RunningJob();
  job.set_state(v1::JOB_RECOVERING);
  EXPECT_THAT(live.FlagsOf(job, kStart + 600'000), IsEmpty());
}

TEST(LiveJobsTest, AdoptedJobIsReconcilingUntilItsAgentReports) {
  LiveJobs live;
  const UnixMs restart = kStart + 3'600'000;
  live.Restarted({3}, restart);
  EXPECT_THAT(live.FlagsOf(RunningJob(), restart + 1000), ElementsAre(v1::JOB_FLAG_RECONCILING));
  EXPECT_THAT(live.FlagsOf(RunningJob(), restart + 6000),
              ElementsAre(v1::JOB_FLAG_RECONCILING, v1::JOB_FLAG_UNREACHABLE));
  live.OnReport(ReportOf(812, 10), restart + 7000);
  EXPECT_THAT(live.FlagsOf(RunningJob(), restart + 8000), IsEmpty());
}

TEST(LiveJobsTest, StorageTroubleFlagsTheJobOrAllJobs) {
  LiveJobs live;
  AgentReport report = ReportOf(1, 10);
  report.set_storage_trouble("no space left");
  live.OnReport(report, kStart);
  EXPECT_THAT(live.FlagsOf(RunningJob(), kStart), ElementsAre(v1::JOB_FLAG_DEGRADED_STORAGE));
  live.OnReport(ReportOf(2, 11), kStart + 1000);
  EXPECT_THAT(live.FlagsOf(RunningJob(), kStart + 1000), IsEmpty());
  live.SetStorageTrouble("journal: no space left");
  EXPECT_THAT(live.FlagsOf(RunningJob(), kStart + 1000), ElementsAre(v1::JOB_FLAG_DEGRADED_STORAGE));
}

TEST(LiveJobsTest, EndedJobHasNoFlags) {
  LiveJobs live;
  live.OnReport(ReportOf(1, 10), kStart);
  live.SetStorageTrouble("journal: no space left");
  Job job = RunningJob();
  job.set_state(v1::JOB_FAILED);
  EXPECT_THAT(live.FlagsOf(job, kStart + 600'000), IsEmpty());
}

TEST(LiveJobsTest, CurvesOfEndedJobsStayForAWhile) {
  LiveJobs live;
  for (std::uint64_t job = 1; job <= LiveJobs::kEndedKept + 1; ++job) {
    AgentReport report = ReportOf(1, 10);
    report.set_job(job);
    live.OnReport(report, kStart);
    live.Ended(job);
    live.Ended(job);
  }
  EXPECT_EQ(live.Find(1), nullptr);
  EXPECT_NE(live.Find(2), nullptr);
}

TEST(LiveJobsTest, GoodputCoversTheGangAndAllAttempts) {
  LiveJobs live;
  AgentReport first = ReportOf(1, 10, 1);
  first.clear_phase_seconds();
  AddSeconds(&first, v1::PHASE_COMPUTE, 20);
  AddSeconds(&first, v1::PHASE_RESTORE, 4);
  live.OnReport(first, kStart - 30'000);
  AgentReport second = ReportOf(1, 10, 2);
  AddSeconds(&second, v1::PHASE_COMPUTE, 10);
  AddSeconds(&second, v1::PHASE_OPTIMIZER, 2);
  AddSeconds(&second, v1::PHASE_SNAPSHOT, 1);
  AddSeconds(&second, v1::PHASE_CHECKPOINT, 3);
  AddSeconds(&second, v1::PHASE_REDUCE, 6);
  AddSeconds(&second, v1::PHASE_SHUTDOWN, 2);
  live.OnReport(second, kStart + 12'000);
  const auto goodput = GoodputOf(RunningJob(2), live.Find(3), kStart + 12'000);
  EXPECT_DOUBLE_EQ(goodput.at(v1::GOODPUT_KIND_COMPUTE), 16);
  EXPECT_DOUBLE_EQ(goodput.at(v1::GOODPUT_KIND_RECOVERY), 2);
  EXPECT_DOUBLE_EQ(goodput.at(v1::GOODPUT_KIND_CHECKPOINT), 2);
  EXPECT_DOUBLE_EQ(goodput.at(v1::GOODPUT_KIND_REDUCE), 3);
  EXPECT_DOUBLE_EQ(goodput.at(v1::GOODPUT_KIND_OTHER), 1);
  // A minute from submission to the second attempt, of which the first one ran twelve seconds.
  EXPECT_DOUBLE_EQ(goodput.at(v1::GOODPUT_KIND_QUEUE), 48);
}

TEST(LiveJobsTest, EveryKindOfGoodputCanOccur) {
  LiveJobs live;
  AgentReport report = ReportOf(1, 10);
  for (int phase = 1; phase < v1::Phase_ARRAYSIZE; ++phase) AddSeconds(&report, static_cast<v1::Phase>(phase), 1);
  live.OnReport(report, kStart);
  const auto goodput = GoodputOf(RunningJob(), live.Find(3), kStart);
  EXPECT_THAT(goodput, SizeIs(v1::GoodputKind_ARRAYSIZE - 1));
  for (const auto& [kind, seconds] : goodput) EXPECT_GT(seconds, 0) << EnumWord(kind);
}

TEST(LiveJobsTest, QueueTimeIsNotGuessedWhenEarlierAttemptsWereNotHeard) {
  LiveJobs live;
  live.OnReport(ReportOf(1, 10, 2), kStart);
  EXPECT_DOUBLE_EQ(GoodputOf(RunningJob(2), live.Find(3), kStart + 1000).at(v1::GOODPUT_KIND_QUEUE), 0);
  Job job = RunningJob(2);
  job.set_state(v1::JOB_PENDING);
  job.set_since_ms(kStart + 500);
  EXPECT_DOUBLE_EQ(GoodputOf(job, live.Find(3), kStart + 1000).at(v1::GOODPUT_KIND_QUEUE), 0.5);
}

TEST(LiveJobsTest, JobThatNeverRanHasQueueTimeOnly) {
  Job job = RunningJob(0);
  job.set_state(v1::JOB_PENDING);
  job.set_started_ms(0);
  EXPECT_DOUBLE_EQ(GoodputOf(job, nullptr, kStart).at(v1::GOODPUT_KIND_QUEUE), 60);
}

TEST(CurveTest, StaysBoundedAndKeepsBothEnds) {
  Curve curve;
  for (std::uint64_t step = 0; step < 100'000; ++step) {
    curve.Add({.step = step, .loss = 1.0});
    ASSERT_LE(curve.points().size(), Curve::kPoints);
  }
  const auto points = curve.points();
  EXPECT_GE(points.size(), Curve::kPoints / 2 - 1);
  EXPECT_EQ(points.front().step, 0u);
  EXPECT_EQ(points.back().step, 99'999u);
  for (std::size_t i = 2; i + 1 < points.size(); ++i) {
    ASSERT_EQ(points[i].step - points[i - 1].step, points[1].step - points[0].step);
  }
}

TEST(CurveTest, RepeatedStepsReplaceTheEarlierOnes) {
  Curve curve;
  for (std::uint64_t step = 0; step <= 20; ++step) curve.Add({.step = step, .loss = 1.0});
  curve.Add({.step = 11, .loss = 2.0});
  curve.Add({.step = 12, .loss = 2.0});
  const auto points = curve.points();
  ASSERT_EQ(points.size(), 13u);
  EXPECT_EQ(points[10].loss, 1.0);
  EXPECT_EQ(points[11].loss, 2.0);
}

TEST(StragglersTest, GangInStepHasNoStraggler) {
  EXPECT_THAT(Stragglers({Rank(0, v1::PHASE_COMPUTE, 17, 1), Rank(1, v1::PHASE_REDUCE, 17, 2),
                          Rank(2, v1::PHASE_COMPUTE, 16, 1)}),
              IsEmpty());
}

TEST(StragglersTest, RankTwoStepsBehindStraggles) {
  EXPECT_THAT(Stragglers({Rank(0, v1::PHASE_COMPUTE, 17, 1), Rank(1, v1::PHASE_COMPUTE, 15, 1)}), ElementsAre(1));
}

TEST(StragglersTest, RankWithoutProgressStragglesWhileOthersWork) {
  EXPECT_THAT(Stragglers({Rank(0, v1::PHASE_TOKENISE, 0, 0.5), Rank(1, v1::PHASE_TOKENISE, 0, 9),
                          Rank(2, v1::PHASE_TOKENISE, 0, 0.7)}),
              ElementsAre(1));
  EXPECT_THAT(Stragglers({Rank(0, v1::PHASE_TOKENISE, 0, 0.5), Rank(1, v1::PHASE_WAIT, 0, 9),
                          Rank(2, v1::PHASE_TOKENISE, 0, 0.7)}),
              IsEmpty())
      << "it waits for work";
}

TEST(StragglersTest, RankThatTheOthersWaitForStraggles) {
  EXPECT_THAT(Stragglers({Rank(0, v1::PHASE_REDUCE, 17, 8), Rank(1, v1::PHASE_COMPUTE, 17, 0.1),
                          Rank(2, v1::PHASE_REDUCE, 17, 9)}),
              ElementsAre(1));
  EXPECT_THAT(Stragglers({Rank(0, v1::PHASE_REDUCE, 17, 8), Rank(1, v1::PHASE_VOTE, 17, 9)}), IsEmpty());
}

TEST(StragglersTest, EquallyStuckRanksAreNoStragglers) {
  EXPECT_THAT(Stragglers({Rank(0, v1::PHASE_COMPUTE, 17, 50), Rank(1, v1::PHASE_COMPUTE, 17, 51)}), IsEmpty());
  EXPECT_THAT(Stragglers({Rank(0, v1::PHASE_START, 0, 50), Rank(1, v1::PHASE_START, 0, 2)}), IsEmpty());
}

}  // namespace
}  // namespace still::coordinator
