#include "cli/pipeline_wait.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace still::cli {
namespace {

using still::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

v1::JobView Ended(std::uint64_t id, v1::JobState state, v1::Cause cause) {
  v1::JobView job;
  job.set_id(id);
  job.set_name("demo/train");
  job.set_state(state);
  job.set_cause(cause);
  return job;
}

TEST(PipelineOutcomeTest, SuccessOfAllJobsIsSuccess) {
  EXPECT_OK(PipelineOutcome({}));
  EXPECT_OK(
      PipelineOutcome({Ended(1, v1::JOB_SUCCEEDED, v1::CAUSE_REUSED), Ended(2, v1::JOB_SUCCEEDED, v1::CAUSE_DONE)}));
}

TEST(PipelineOutcomeTest, TheCodeTellsWhatToDoNext) {
  EXPECT_THAT(PipelineOutcome({Ended(1, v1::JOB_CANCELLED, v1::CAUSE_USER)}), StatusIs(Code::kCancelled));
  EXPECT_THAT(PipelineOutcome({Ended(1, v1::JOB_TIMEOUT, v1::CAUSE_TIME_LIMIT)}), StatusIs(Code::kCancelled));
  EXPECT_THAT(PipelineOutcome({Ended(1, v1::JOB_FAILED, v1::CAUSE_ERROR)}), StatusIs(Code::kDataLoss));
  EXPECT_THAT(PipelineOutcome({Ended(1, v1::JOB_FAILED, v1::CAUSE_RETRIES_EXHAUSTED)}), StatusIs(Code::kUnavailable));
}

TEST(PipelineOutcomeTest, AConsequenceDoesNotHideItsCause) {
  EXPECT_THAT(
      PipelineOutcome(
          {Ended(1, v1::JOB_SUCCEEDED, v1::CAUSE_DONE), Ended(2, v1::JOB_CANCELLED, v1::CAUSE_DEPENDENCY_FAILED),
           Ended(3, v1::JOB_FAILED, v1::CAUSE_ERROR), Ended(4, v1::JOB_FAILED, v1::CAUSE_RETRIES_EXHAUSTED)}),
      StatusIs(Code::kDataLoss, AllOf(HasSubstr("3 of 4 jobs"), HasSubstr("job 3 demo/train: FAILED (ERROR)"))));
}

}  // namespace
}  // namespace still::cli
