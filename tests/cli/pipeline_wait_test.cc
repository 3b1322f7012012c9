#include "cli/pipeline_wait.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace still::cli {
namespace {

using still::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

JobRow Ended(std::uint64_t id, const std::string& state, const std::string& cause) {
  JobRow job;
  job.id = id;
  job.name = "demo/train";
  job.state = state;
  job.cause = cause;
  return job;
}

TEST(PipelineOutcomeTest, SuccessOfAllJobsIsSuccess) {
  EXPECT_OK(PipelineOutcome({}));
  EXPECT_OK(PipelineOutcome({Ended(1, "SUCCEEDED", "REUSED"), Ended(2, "SUCCEEDED", "DONE")}));
}

TEST(PipelineOutcomeTest, TheCodeTellsWhatToDoNext) {
  EXPECT_THAT(PipelineOutcome({Ended(1, "CANCELLED", "USER")}), StatusIs(Code::kCancelled));
  EXPECT_THAT(PipelineOutcome({Ended(1, "TIMEOUT", "TIME_LIMIT")}), StatusIs(Code::kCancelled));
  EXPECT_THAT(PipelineOutcome({Ended(1, "FAILED", "ERROR")}), StatusIs(Code::kDataLoss));
  EXPECT_THAT(PipelineOutcome({Ended(1, "FAILED", "RETRIES_EXHAUSTED")}), StatusIs(Code::kUnavailable));
}

TEST(PipelineOutcomeTest, AConsequenceDoesNotHideItsCause) {
  EXPECT_THAT(
      PipelineOutcome({Ended(1, "SUCCEEDED", "DONE"), Ended(2, "CANCELLED", "DEPENDENCY_FAILED"),
                       Ended(3, "FAILED", "ERROR"), Ended(4, "FAILED", "RETRIES_EXHAUSTED")}),
      StatusIs(Code::kDataLoss, AllOf(HasSubstr("3 of 4 jobs"), HasSubstr("job 3 demo/train: FAILED (ERROR)"))));
}

}  // namespace
}  // namespace still::cli
