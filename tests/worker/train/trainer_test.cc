// The train stage with every rank alive: same bits whatever their number, and what must not be trained through.
#include "worker/train/trainer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <string>

#include "tests/worker/train/training_fixture.h"

namespace still::worker {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using testing::StatusIs;

using TrainerTest = TrainingFixture;

TEST_F(TrainerTest, WeightsAreTheSameBitsForOneTwoAndThreeRanks) {
  const std::string one = UndisturbedDigest();
  for (const int ranks : {2, 3}) {
    ASSERT_THAT(Train(ranks), Each(testing::IsOk()));
    EXPECT_EQ(StudentDigest(), one) << ranks << " ranks";
    StartOver();
  }
  task_.mutable_config()->set_seed(6);
  ASSERT_THAT(Train(1), Each(testing::IsOk()));
  EXPECT_NE(StudentDigest(), one) << "the digest does not see the seed";
}

TEST_F(TrainerTest, TheArtifactRecordsItsTraining) {
  ASSERT_THAT(Train(2), Each(testing::IsOk()));
  ASSERT_OK_AND_ASSIGN(const Summary summary, ReadSummary(StudentPath()));
  EXPECT_EQ(summary.at("steps"), 11);
  EXPECT_EQ(summary.at("sequences"), 47 + 47 + 3 * 12);
  EXPECT_EQ(summary.at("ranks"), 2);
  EXPECT_EQ(summary.at("skipped_steps"), 0);
  EXPECT_LT(summary.at("loss_last"), summary.at("loss_first"));
  EXPECT_LT(summary.at("mlm_last"), summary.at("mlm_first"));
  EXPECT_EQ(coordinator_.last_progress().done(), 11U);
  EXPECT_EQ(coordinator_.last_progress().total(), 11U);
  EXPECT_EQ(static_cast<double>(coordinator_.last_progress().tokens()), summary.at("tokens"));
  EXPECT_EQ(coordinator_.last_progress().values().at("loss"), summary.at("loss_last"));
}

TEST_F(TrainerTest, EveryStepPassesThroughThePhasesThatPeopleAreShown) {
  ASSERT_THAT(Train(1), Each(testing::IsOk()));
  for (const v1::Phase phase :
       {v1::PHASE_DATA, v1::PHASE_COMPUTE, v1::PHASE_REDUCE, v1::PHASE_VOTE, v1::PHASE_OPTIMIZER, v1::PHASE_SNAPSHOT}) {
    std::uint64_t entered = 0;
    for (const auto& count : words_[0].histograms[static_cast<std::size_t>(phase)].counts) entered += count.load();
    EXPECT_GE(entered, 11U) << EnumWord(phase);
  }
}

TEST_F(TrainerTest, ATrainedStudentIsNotTrainedAgain) {
  ASSERT_THAT(Train(1), Each(testing::IsOk()));
  std::filesystem::remove_all(root_ + "/targets");
  EXPECT_THAT(Train(2), Each(testing::IsOk()));
}

TEST_F(TrainerTest, TargetsOfAnotherMaskStopTheJobOnEveryRank) {
  task_.mutable_config()->mutable_targets()->mutable_mask()->set_seed(9);
  EXPECT_THAT(Train(2), Each(StatusIs(Code::kDataLoss, HasSubstr("step 0"))));
  EXPECT_FALSE(Exists(StudentPath()));
}

TEST_F(TrainerTest, StepsThatAreNotFiniteAreSkippedAndTooManyFailTheJob) {
  WriteTeacher(std::numeric_limits<float>::infinity());
  EXPECT_THAT(Train(2), Each(StatusIs(Code::kInvalidArgument, AllOf(HasSubstr("10 steps"), HasSubstr("step 9")))));
  EXPECT_FALSE(Exists(StudentPath()));
}

TEST_F(TrainerTest, ACorpusOfLongerSequencesThanTheModelReadsIsRefused) {
  shards::CorpusManifest manifest;
  AddShard(shards::Split::kTrain, 0, 0, 50, &manifest);  // the 50th has 61 tokens
  ASSERT_OK(shards::WriteCorpusManifest(directory_, manifest));
  const ModelShape shape{
      .layers = 1, .hidden = 4, .heads = 1, .intermediate = 4, .vocabulary = shards::kTestVocabulary, .positions = 60};
  ASSERT_OK(SaveModel(ParameterSet(shape, false), root_ + "/teacher/t0"));
  EXPECT_THAT(Train(1), Each(StatusIs(Code::kInvalidArgument, HasSubstr("corpus.max_sequence_tokens"))));
}

}  // namespace
}  // namespace still::worker
