#include "cli/progress_display.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace still::cli {
namespace {

using coordinator::Stage;
using coordinator::StagePlan;
using ::testing::HasSubstr;

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
  const StagePlan train_{.stage = Stage::kTrain, .description = "2 layers"};
};

TEST_F(ProgressDisplayTest, RecoveryIsOneLine) {
  ProgressDisplay display(out_, false, Clock::System());
  display.OnRecovery(train_, "rank 1 died in compute of step 17; generation 4 goes on in place with 2 ranks");
  EXPECT_EQ(Shown(), "train: rank 1 died in compute of step 17; generation 4 goes on in place with 2 ranks\n");
}

TEST_F(ProgressDisplayTest, RecoveryOnATerminalStaysAboveTheBar) {
  ProgressDisplay display(out_, true, Clock::System());
  display.OnStageStarted(train_);
  display.OnRecovery(train_, "rank 1 died");
  EXPECT_THAT(Shown(), HasSubstr("\r\x1b[Ktrain: rank 1 died\n"));
}

TEST_F(ProgressDisplayTest, TroubleWithStorageIsShownAndThatItIsOver) {
  ProgressDisplay display(out_, false, Clock::System());
  display.OnStorageTrouble(train_, "rank 0: no space left on device");
  display.OnStorageTrouble(train_, "");
  EXPECT_EQ(Shown(),
            "train: no checkpoints, the work goes on without: rank 0: no space left on device\n"
            "train: checkpoints are kept again\n");
}

}  // namespace
}  // namespace still::cli
