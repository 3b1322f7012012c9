#include "cli/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace still::cli {
namespace {

using still::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

v1::JobView Named(std::uint64_t id, const std::string& name) {
  v1::JobView job;
  job.set_id(id);
  job.set_name(name);
  return job;
}

using JobViews = google::protobuf::RepeatedPtrField<v1::JobView>;
JobViews Listed(const std::vector<v1::JobView>& jobs) { return {jobs.begin(), jobs.end()}; }

const JobViews kLive = Listed({Named(4, "s/full/train"), Named(5, "s/no-mlm/train"), Named(6, "s/targets"),
                               Named(9, "twice/train"), Named(10, "twice/train")});
const JobViews kEnded =
    Listed({Named(1, "s/corpus"), Named(2, "old/corpus"), Named(3, "s/corpus"), Named(7, "s/targets")});

TEST(ChooseJobTest, AJobIsMeantByItsNameOrTheNamesEndFromASlashOn) {
  EXPECT_EQ(ChooseJob("s/full/train", kLive, kEnded).value(), 4u);
  EXPECT_EQ(ChooseJob("no-mlm/train", kLive, kEnded).value(), 5u);
  EXPECT_THAT(ChooseJob("mlm/train", kLive, kEnded), StatusIs(Code::kNotFound, HasSubstr("mlm/train")));
  EXPECT_THAT(ChooseJob("", kLive, kEnded), StatusIs(Code::kNotFound));
}

TEST(ChooseJobTest, LiveJobsComeFirstThenTheNewestEndedOne) {
  EXPECT_EQ(ChooseJob("targets", kLive, kEnded).value(), 6u);
  EXPECT_EQ(ChooseJob("s/corpus", kLive, kEnded).value(), 3u);
}

TEST(ChooseJobTest, SeveralCandidatesAreRefusedAndNamed) {
  EXPECT_THAT(ChooseJob("train", kLive, kEnded),
              StatusIs(Code::kInvalidArgument, AllOf(HasSubstr("s/full/train"), HasSubstr("s/no-mlm/train"))));
  EXPECT_THAT(ChooseJob("twice/train", kLive, kEnded), StatusIs(Code::kInvalidArgument, HasSubstr("job 9, job 10")));
  EXPECT_THAT(ChooseJob("corpus", kLive, kEnded), StatusIs(Code::kInvalidArgument, HasSubstr("old/corpus")));
}

}  // namespace
}  // namespace still::cli
