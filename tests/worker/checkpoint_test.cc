#include "worker/checkpoint/checkpoint.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "common/files.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"
#include "worker/checkpoint/training_state.h"

namespace still::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::StatusIs;

std::vector<ParameterInfo> Layout() {
  return {{.name = "matrix", .shape = {2, 3}, .offset = 0, .size = 6},
          {.name = "bias", .shape = {2}, .offset = 6, .size = 2}};
}

TrainingState State(std::uint64_t step, std::uint64_t generation = 1) {
  TrainingState state{.info = {.step = step,
                               .seed = 42,
                               .generation = generation,
                               .identity = "abc",
                               .skipped_steps = 3,
                               .skipped_in_a_row = 1,
                               .weights_digest = "w"},
                      .layout = Layout()};
  for (int i = 0; i < 8; ++i) {
    const auto value = static_cast<float>(step) + static_cast<float>(i) / 8;
    state.weights.push_back(value);
    state.first_moment.push_back(-value);
    state.second_moment.push_back(value * value);
  }
  return state;
}

class CheckpointTest : public ::testing::Test {
 protected:
  void Damage(const std::string& file, std::size_t at) {
    auto bytes = ReadFile(file).value();
    ASSERT_LT(at, bytes.size());
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    ASSERT_OK(WriteFileAtomically(file, bytes));
  }

  testing::TempDirectory directory_;
  CheckpointWriter writer_{directory_.path(), 10};
};

TEST_F(CheckpointTest, WhatIsWrittenIsRestored) {
  ASSERT_OK(writer_.Write(State(17)));
  ASSERT_OK_AND_ASSIGN(const FoundCheckpoint found, LoadNewestCheckpoint(directory_.path(), "abc", Layout()));
  const TrainingState wanted = State(17);
  EXPECT_EQ(found.path, directory_ / "step-00000017.g1");
  EXPECT_EQ(found.state.weights, wanted.weights);
  EXPECT_EQ(found.state.first_moment, wanted.first_moment);
  EXPECT_EQ(found.state.second_moment, wanted.second_moment);
  EXPECT_EQ(found.state.info.step, 17U);
  EXPECT_EQ(found.state.info.seed, 42U);
  EXPECT_EQ(found.state.info.skipped_steps, 3U);
  EXPECT_EQ(found.state.info.skipped_in_a_row, 1U);
  EXPECT_EQ(found.state.info.weights_digest, "w");
}

TEST_F(CheckpointTest, NothingWrittenIsNothingFound) {
  ASSERT_OK_AND_ASSIGN(const FoundCheckpoint found, LoadNewestCheckpoint(directory_ / "none", "abc", Layout()));
  EXPECT_EQ(found.path, "");
}

TEST_F(CheckpointTest, TheNewestOnesAreKeptAndListedNewestFirst) {
  CheckpointWriter writer(directory_.path(), 2);
  ASSERT_OK(MakeDirectories(directory_ / "step-00000500.g1.bad"));
  ASSERT_OK(MakeDirectories(directory_ / "step-00000600.g1.partial-1"));
  for (const std::uint64_t step : {80, 90, 100}) ASSERT_OK(writer.Write(State(step)));
  ASSERT_OK(writer.Write(State(100, 2)));
  ASSERT_OK_AND_ASSIGN(const auto paths, ListCheckpoints(directory_.path()));
  EXPECT_THAT(paths, ElementsAre(directory_ / "step-00000100.g2", directory_ / "step-00000100.g1"));
}

TEST_F(CheckpointTest, ADamagedOneIsSetAsideForTheOneBefore) {
  for (const char* file : {kWeightsFile, kOptimizerFile, kCheckpointFile}) {
    ASSERT_OK(writer_.Write(State(10)));
    ASSERT_OK(writer_.Write(State(20)));
    const std::string newest = directory_ / "step-00000020.g1";
    const std::string path = JoinPath(newest, file);
    Damage(path, file == kCheckpointFile ? 0 : *FileSize(path) - 1);
    EXPECT_THAT(VerifyCheckpoint(newest), StatusIs(Code::kDataLoss, HasSubstr(path)));
    ASSERT_OK_AND_ASSIGN(const FoundCheckpoint found, LoadNewestCheckpoint(directory_.path(), "abc", Layout()));
    EXPECT_EQ(found.state.info.step, 10U) << file;
    EXPECT_TRUE(Exists(newest + ".bad")) << file;
    EXPECT_FALSE(Exists(newest)) << file;
  }
}

TEST_F(CheckpointTest, AMissingFileCountsAsDamage) {
  ASSERT_OK(writer_.Write(State(10)));
  ASSERT_OK(writer_.Write(State(20)));
  std::filesystem::remove(JoinPath(directory_ / "step-00000020.g1", kOptimizerFile));
  ASSERT_OK_AND_ASSIGN(const FoundCheckpoint found, LoadNewestCheckpoint(directory_.path(), "abc", Layout()));
  EXPECT_EQ(found.state.info.step, 10U);
}

TEST_F(CheckpointTest, OneOfAnotherRunOrShapeIsNotLoaded) {
  ASSERT_OK(writer_.Write(State(10)));
  const std::string path = directory_ / "step-00000010.g1";
  EXPECT_THAT(LoadCheckpoint(path, "other", Layout()), StatusIs(Code::kDataLoss, HasSubstr("belongs to abc")));
  auto layout = Layout();
  layout[0].shape = {3, 2};
  EXPECT_THAT(LoadCheckpoint(path, "abc", layout), StatusIs(Code::kDataLoss, HasSubstr("matrix")));
  const std::string renamed = directory_ / "step-00000011.g1";
  std::filesystem::rename(path, renamed);
  EXPECT_THAT(LoadCheckpoint(renamed, "abc", Layout()), StatusIs(Code::kDataLoss, HasSubstr("says step 10")));
}

TEST_F(CheckpointTest, HashIsOfTheStateAndNotOfTheLaunch) {
  ASSERT_OK(writer_.Write(State(10, 1)));
  ASSERT_OK(writer_.Write(State(10, 2)));
  TrainingState other = State(10, 3);
  other.second_moment[7] += 1;
  ASSERT_OK(writer_.Write(other));
  ASSERT_OK_AND_ASSIGN(const std::string first, CheckpointHash(directory_ / "step-00000010.g1"));
  ASSERT_OK_AND_ASSIGN(const std::string second, CheckpointHash(directory_ / "step-00000010.g2"));
  ASSERT_OK_AND_ASSIGN(const std::string third, CheckpointHash(directory_ / "step-00000010.g3"));
  EXPECT_EQ(first, second);
  EXPECT_NE(first, third);
}

}  // namespace
}  // namespace still::worker
