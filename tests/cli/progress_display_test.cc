#include "cli/progress_display.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

namespace still::cli {
namespace {

using coordinator::StagePlan;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ProgressDisplayTest : public ::testing::Test {
 protected:
  ~ProgressDisplayTest() override {
    std::fclose(out_);
    std::free(text_);
  }
  std::string Shown() {
    std::fflush(out_);
    return {text_, size_};
  }

  char* text_ = nullptr;
  std::size_t size_ = 0;
  std::FILE* out_ = open_memstream(&text_, &size_);
  const StagePlan train_{.stage = v1::STAGE_TRAIN, .description = "2 layers"};
};

TEST_F(ProgressDisplayTest, RecoveryIsOneLineWhichStaysAboveTheBarOfATerminal) {
  ProgressDisplay(out_, /*terminal=*/false, Clock::System()).OnRecovery(train_, "rank 1 died");
  EXPECT_EQ(Shown(), "train: rank 1 died\n");
  ProgressDisplay bar(out_, /*terminal=*/true, Clock::System());
  bar.OnStageStarted(train_);
  bar.OnRecovery(train_, "rank 1 died");
  EXPECT_THAT(Shown(), EndsWith("\r\x1b[Ktrain: rank 1 died\n"));
}

TEST_F(ProgressDisplayTest, TroubleWithStorageIsShownWhenItBeginsAndEnds) {
  ProgressDisplay display(out_, false, Clock::System());
  display.OnStorageTrouble(train_, "rank 0: no space left on device");
  display.OnStorageTrouble(train_, "");
  EXPECT_THAT(Shown(),
              StartsWith("train: no checkpoints, the work goes on without: rank 0: no space left on device\n"));
  EXPECT_EQ(std::ranges::count(Shown(), '\n'), 2);
}

TEST_F(ProgressDisplayTest, TheEndOfAStageNamesIt) {
  ProgressDisplay display(out_, false, Clock::System());
  display.OnStageFinished(train_, 2, Ok());
  display.OnStageFinished(train_, 2, Error(Code::kInternal, "broken"));
  EXPECT_THAT(Shown(), AllOf(StartsWith("train "), HasSubstr("\ntrain ")));
}

}  // namespace
}  // namespace still::cli
