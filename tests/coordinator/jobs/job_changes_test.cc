// People cancel, hold, release and requeue jobs.
#include <gmock/gmock.h>

#include "tests/coordinator/jobs/jobs_fixture.h"

namespace still::coordinator {
namespace {

using testing::StatusIs;

using JobChangesTest = DecisionsFixture;

TEST_F(JobChangesTest, CancelDrainsThenKills) {
  const std::uint64_t job = Submit({Spec("one")});
  Run(job);
  EXPECT_OK(Change(v1::JOB_VERB_CANCEL, job));
  EXPECT_EQ(StateOf(job), "COMPLETING");
  EXPECT_TRUE(Orders(job).drain());
  EXPECT_FALSE(Orders(job).kill());
  EXPECT_OK(Change(v1::JOB_VERB_CANCEL, job));
  EXPECT_TRUE(Orders(job).kill());
  End(job, Code::kCancelled);
  EXPECT_EQ(StateOf(job), "CANCELLED");
  EXPECT_THAT(Change(v1::JOB_VERB_CANCEL, job), StatusIs(Code::kInvalidArgument));
}

TEST_F(JobChangesTest, AJobThatSucceedsWhileItIsCancelledHasSucceeded) {
  const std::uint64_t job = Submit({Spec("one")});
  Run(job);
  EXPECT_OK(Change(v1::JOB_VERB_CANCEL, job));
  End(job, Code::kOk);
  EXPECT_EQ(StateOf(job), "SUCCEEDED") << "its artifact stands";
}

TEST_F(JobChangesTest, AHeldJobKeepsItsWorkAndContinuesAfterItsRelease) {
  const std::uint64_t job = Submit({Spec("one")});
  Run(job);
  EXPECT_OK(Change(v1::JOB_VERB_HOLD, job));
  EXPECT_TRUE(Orders(job).drain());
  End(job, Code::kCancelled, 5);
  EXPECT_EQ(StateOf(job), "HELD");
  EXPECT_OK(Change(v1::JOB_VERB_RELEASE, job));
  EXPECT_EQ(StateOf(job), "STARTING");
  EXPECT_EQ(Job(job).attempt(), 2U);
}

TEST_F(JobChangesTest, RequeueRestartsAFailedJobButNotASucceededOne) {
  const std::uint64_t job = Submit({Spec("one")});
  Run(job);
  End(job, Code::kDataLoss);
  EXPECT_OK(Change(v1::JOB_VERB_REQUEUE, job));
  EXPECT_EQ(StateOf(job), "STARTING");
  End(job, Code::kOk);
  EXPECT_THAT(Change(v1::JOB_VERB_REQUEUE, job), StatusIs(Code::kInvalidArgument));
}

}  // namespace
}  // namespace still::coordinator
