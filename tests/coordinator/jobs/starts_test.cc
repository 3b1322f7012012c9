// An mpirun that a person typed takes a job.
#include <gmock/gmock.h>

#include "coordinator/jobs/names.h"
#include "tests/coordinator/jobs/jobs_fixture.h"

namespace still::coordinator {
namespace {

using ::testing::ElementsAre;
using testing::StatusIs;

using StartsTest = DecisionsFixture;

TEST_F(StartsTest, AnMpirunTypedByHandTakesAWaitingJobWithoutSlots) {
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

TEST_F(StartsTest, AnMpirunTypedByHandWaitsWhileAnotherJobMakesTheArtifact) {
  const std::uint64_t first = Submit({Spec("same", 1)});
  auto spec = Spec("same", 1);
  spec.set_attach(true);
  const std::uint64_t second = Submit({spec});
  EXPECT_EQ(StateOf(first), "STARTING");
  EXPECT_THAT(decisions_.AttachLaunch(state_, second, "launch", 1, now_), StatusIs(Code::kUnavailable));
}

TEST_F(StartsTest, AReleasedAttachJobIsStartedByTheScheduler) {
  auto spec = Spec("by-hand", 2);
  spec.set_attach(true);
  const std::uint64_t job = Submit({spec});
  EXPECT_OK(Change(v1::JOB_VERB_RELEASE, job));
  EXPECT_EQ(StateOf(job), "STARTING");
  EXPECT_EQ(PlacementText(Job(job)), "a:2");
}

}  // namespace
}  // namespace still::coordinator
