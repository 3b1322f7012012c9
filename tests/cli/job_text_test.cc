#include "cli/job_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/top_text.h"
#include "tests/cli/views_fixture.h"
#include "tests/testing/view_text.h"

namespace still::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

v1::View Parsed(const std::string& text) { return still::testing::ViewOf(text); }

TEST(JobTextTest, TheQueueShowsWhyEveryWaitingJobWaits) {
  EXPECT_EQ(QueueText(Parsed(kQueueView)),
            "ID  NAME                   OWNER  STATE                      FOR  PRIORITY  RANKS  PRO"
            "GRESS             TOKENS/S       LEFT  POSITION  START     REASON\n"
            " 4  ablation/full/train    alice  RUNNING, STRAGGLING  3 min 7 s        10      2  123"
            "/400 steps, 31 %    12,345  3 min 7 s\n"
            " 5  ablation/no-mlm/train  alice  PENDING                   12 s                2     "
            "                                              1  in 4 min  needs 2 slots, 0 are free\n"
            " 7  other/\\x1b[31mtrain    bob    HELD                      12 s                1    "
            "                                                            held by alice"
            "\n");
}

TEST(JobTextTest, AnEmptyListIsOneLine) {
  for (const std::string& text : {QueueText(v1::View()), HistoryText(v1::View()), NodesText(v1::View())})
    EXPECT_EQ(text.find('\n'), text.size() - 1) << text;
}

TEST(JobTextTest, AJobIsShownWithItsRanksAndItsHistory) {
  EXPECT_EQ(ShowText(Parsed(kJobView)), R"(
job 4 ablation/full/train is RUNNING
  cause         STARTED
  progress      123/400 steps, 31 %, 12,345 tokens/s, 3 min 7 s left, loss 2.346
  goodput       compute 90.0 %, reduce 9.0 %, vote 1.0 %
  placement     2 ranks of 1 slot on a:1 b:1
  attempt       1, generation 2
  pipeline      2
  depends on    1, 3
  owner         alice
  priority      10
  submitted     2026-11-22 12:55:00 UTC, 10 min ago
  started       2026-11-22 13:01:53 UTC, 3 min ago
  artifact      /a/student/0123
  log           /s/jobs/4/1/ranks.log

RANK  HOST   PID  PHASE    STEP    FOR
   0  a     4711  compute   123  0.2 s
   1  b           reduce    123  0.1 s

2026-11-22 13:01:53 job 4 ablation/full/train STARTING -> RUNNING (STARTED) by agent
)" + 1);
}

TEST(JobTextTest, DeathsInARowAreShown) {
  v1::View view = Parsed(kJobView);
  view.mutable_job()->set_failures(1);
  EXPECT_THAT(ShowText(view), HasSubstr("attempt       1, generation 2; deaths in a row: 1"));
}

TEST(JobTextTest, RecoveriesAreShownWithTheLastOne) {
  v1::View view = Parsed(R"(now_ms: 1795352700000, job: {id: 4, name: "x/train", state: JOB_RUNNING,
recoveries: 2, last_recovery: {at_ms: 1795352520000, cause: CAUSE_PROCESS_DEATH, message: "rank 1 died"}})");
  EXPECT_THAT(ShowText(view), HasSubstr("recoveries    2 recoveries, the last one 2026-11-22 13:02:00 UTC, 3 min ago "
                                        "(PROCESS_DEATH): rank 1 died\n"));
  *view.add_jobs() = view.job();
  EXPECT_THAT(QueueText(view), HasSubstr("2 recoveries, the last one 3 min ago (PROCESS_DEATH): rank 1 died\n"));
  view.mutable_jobs(0)->set_reason("rank 0 straggles");
  EXPECT_THAT(QueueText(view), AllOf(HasSubstr("rank 0 straggles"), Not(HasSubstr("recoveries"))));
  view.mutable_job()->clear_recoveries();
  EXPECT_THAT(ShowText(view), Not(HasSubstr("recoveries")));
}

TEST(JobTextTest, TheAttachCommandStandsAlone) {
  const v1::View view = Parsed(R"(job: {id: 4, name: "x/train", state: JOB_PENDING,
attach_command: "A=1 mpirun -n 2 still-worker"}, reasons: [{code: WAIT_REASON_ATTACH, text: "waits"}])");
  for (const std::string& text : {WhyText(view), ShowText(view)})
    EXPECT_THAT(text, HasSubstr("\n\nA=1 mpirun -n 2 still-worker\n"));
}

TEST(JobTextTest, AWaitingJobIsShownWithEachReasonOnce) {
  const v1::View view = Parsed(R"(job: {id: 5, name: "x", state: JOB_PENDING, reason: "a; b",
reasons: [{code: WAIT_REASON_SLOTS, text: "a"}, {code: WAIT_REASON_DEPENDENCY, text: "b"}]})");
  EXPECT_THAT(ShowText(view), AllOf(HasSubstr("waits         SLOTS: a\n"), HasSubstr("waits         DEPENDENCY: b\n"),
                                    Not(HasSubstr("a; b"))));
}

TEST(JobTextTest, AReasonThatTheSchedulerDidNotGiveHasTheStateOfTheJob) {
  EXPECT_THAT(WhyText(Parsed(R"(job: {id: 5, name: "x", state: JOB_RUNNING}, reasons: {text: "rank 0 straggles"})")),
              HasSubstr("  RUNNING: rank 0 straggles\n"));
}

TEST(JobTextTest, WhyGivesPositionPredictionAndEveryReason) {
  v1::View view = Parsed(R"(now_ms: 1795352700000, job: {id: 5, name: "x/train", state: JOB_PENDING, position: 2,
predicted_start_ms: 1795352940000, eligible_ms: 1795352705000, reason: "first"},
reasons: [{code: WAIT_REASON_SLOTS, text: "needs 2 slots, 0 are free"},
{code: WAIT_REASON_DEPENDENCY, text: "waits\nfor 3"}])");
  EXPECT_EQ(WhyText(view), R"(
job 5 x/train is PENDING
  position in the queue: 2
  predicted start: 2026-11-22 13:09:00 UTC, in 4 min
  not before: 2026-11-22 13:05:05 UTC, in 5 s
  SLOTS: needs 2 slots, 0 are free
  DEPENDENCY: waits\nfor 3
)" + 1);
  view.clear_reasons();
  view.mutable_job()->clear_predicted_start_ms();
  EXPECT_THAT(WhyText(view), AllOf(HasSubstr("predicted start: not known"), HasSubstr("  first\n")));
}

TEST(JobTextTest, AStartingJobNeverLacksAReason) {
  v1::JobView job;
  job.set_state(v1::JOB_STARTING);
  EXPECT_EQ(ReasonText(job), "its ranks are being launched");
  job.set_cause(v1::CAUSE_PROCESS_DEATH);
  job.set_message("rank 1 died in compute of step 17");
  EXPECT_EQ(ReasonText(job), "its ranks are being launched again: rank 1 died in compute of step 17");
  job.set_reason("agent not heard for 40 s");
  EXPECT_EQ(ReasonText(job), "agent not heard for 40 s");
  job.clear_reason();
  job.set_state(v1::JOB_RUNNING);
  EXPECT_EQ(ReasonText(job), "");
}

TEST(JobTextTest, HistoryHostsAndEventsAreListed) {
  EXPECT_EQ(HistoryText(Parsed(R"(now_ms: 1795352700000, jobs: [{id: 3, name: "demo/train", owner: "alice",
state: JOB_FAILED, cause: CAUSE_ERROR, message: "bad\u0007input", started_ms: 1795352513000,
ended_ms: 1795352688000, attempt: 2}])")),
            "ID  NAME        OWNER  STATE   CAUSE  ENDED        RAN FOR  ATTEMPTS  MESSAGE\n"
            " 3  demo/train  alice  FAILED  ERROR  12 s ago  2 min 55 s         2  bad\\x07input\n");
  EXPECT_EQ(NodesText(Parsed(kTopView)),
            "HOST  STATE    SLOTS  FREE  JOBS  REASON\n"
            "a     UP           2     1  4\n"
            "b     DRAINED      2     1  4     new disk\n");
  EXPECT_EQ(
      EventsText(
          Parsed(R"(events {at_ms: 1795352700000 host: "b" actor: "alice" message: "drained: new disk"})").events()),
      "2026-11-22 13:05:00 host b by alice: drained: new disk\n");
  EXPECT_EQ(
      EventsText(
          Parsed(R"(events {at_ms: 1795352700000 cause: CAUSE_COORDINATOR_RESTART message: "started"})").events()),
      "2026-11-22 13:05:00 coordinator (COORDINATOR_RESTART): started\n");
}

TEST(TopTextTest, OnePictureOfJobsRanksAndHosts) {
  EXPECT_EQ(TopText(Parsed(kTopView)), R"(
stillhouse  2026-11-22 13:05:00 UTC  1 active, 1 waiting  1/2 hosts up, 2/4 slots in use  12,345 tokens/s

ID  NAME                 STATE                        PROGRESS             TOKENS/S   LOSS       LEFT  HOSTS
 4  ablation/full/train  RUNNING  [====            ]  100/400 steps, 25 %    12,345  2.346  3 min 7 s  a:1 b:1
      ranks    compute 2, reduce 1
      goodput  compute 90.0 %, reduce 9.0 %, vote 1.0 %

ID  NAME                   STATE    START     REASON
 5  ablation/no-mlm/train  PENDING  in 4 min  needs 2 slots, 0 are free

HOST  STATE    SLOTS  FREE  JOBS  REASON
a     UP           2     1  4
b     DRAINED      2     1  4     new disk
)" + 1);
}

TEST(TopTextTest, RedrawingKeepsToTheScreen) {
  EXPECT_EQ(Redrawn("abcdef\ng\nh\ni\n", 4, 3), "\x1b[Habc…\x1b[K\ng\x1b[K\n\x1b[J");
  EXPECT_EQ(Redrawn("a\n", 80, 24), "\x1b[Ha\x1b[K\n\x1b[J");
  EXPECT_EQ(Redrawn("", 80, 24), "\x1b[H\x1b[J");
}

TEST(JobTextTest, ValuesThatAreNotFiniteAreNotShown) {
  const v1::View view = Parsed(R"(
job {id: 4 state: JOB_RUNNING progress {} values: [{key: "loss" value: nan}, {key: "kl" value: 1}]}
jobs {id: 4 state: JOB_RUNNING progress {} values: [{key: "loss" value: nan}]})");
  EXPECT_THAT(ShowText(view), AllOf(HasSubstr("kl 1"), Not(HasSubstr("nan"))));
  EXPECT_THAT(TopText(view), Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace still::cli
