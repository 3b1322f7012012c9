#include "worker/guardian/hang_rule.h"

#include <gtest/gtest.h>

#include <limits>

namespace still::worker {
namespace {

constexpr HangLimits kLimits{.floor_seconds = 10, .factor = 5};

HangVerdict JudgeQuiet(Phase phase, double quiet_seconds, double p99_seconds = 0, bool stopped = false) {
  return Judge({.phase = phase, .quiet_seconds = quiet_seconds, .p99_seconds = p99_seconds, .stopped = stopped},
               kLimits);
}

TEST(HangRuleTest, OwnWorkMayTakeTheFloor) {
  for (const Phase phase :
       {Phase::kCompute, Phase::kOptimizer, Phase::kSnapshot, Phase::kCheckpoint, Phase::kInference}) {
    EXPECT_EQ(JudgeQuiet(phase, 10, 0.1), HangVerdict::kFine) << PhaseName(phase);
    EXPECT_EQ(JudgeQuiet(phase, 10.1, 0.1), HangVerdict::kHung) << PhaseName(phase);
  }
}

TEST(HangRuleTest, APhaseOfWhichNothingIsKnownHasMoreTime) {
  EXPECT_EQ(JudgeQuiet(Phase::kCompute, 60), HangVerdict::kFine);
  EXPECT_EQ(JudgeQuiet(Phase::kCompute, 60.1), HangVerdict::kHung);
}

TEST(HangRuleTest, APhaseKnownToBeSlowHasAMultipleOfIts99thPercentile) {
  EXPECT_EQ(JudgeQuiet(Phase::kCompute, 10.1, 2), HangVerdict::kHung);  // 5 * 2 is no more than the floor
  EXPECT_EQ(JudgeQuiet(Phase::kCompute, 19.9, 4), HangVerdict::kFine);
  EXPECT_EQ(JudgeQuiet(Phase::kCompute, 20.1, 4), HangVerdict::kHung);
  EXPECT_EQ(JudgeQuiet(Phase::kVote, 119, 4), HangVerdict::kFine);
  EXPECT_EQ(JudgeQuiet(Phase::kVote, 121, 4), HangVerdict::kHung);
}

TEST(HangRuleTest, WaitingForOthersIsNoHangBeforeTheyHadTheirTime) {
  for (const Phase phase : {Phase::kReduce, Phase::kVote, Phase::kRecover, Phase::kShutdown}) {
    EXPECT_TRUE(WaitsForOthers(phase)) << PhaseName(phase);
    EXPECT_EQ(JudgeQuiet(phase, 60), HangVerdict::kFine) << PhaseName(phase);
    EXPECT_EQ(JudgeQuiet(phase, 60.1), HangVerdict::kHung) << PhaseName(phase);
  }
}

TEST(HangRuleTest, StartMayLoadModels) {
  for (const Phase phase : {Phase::kStart, Phase::kRestore}) {
    EXPECT_EQ(JudgeQuiet(phase, 120), HangVerdict::kFine) << PhaseName(phase);
    EXPECT_EQ(JudgeQuiet(phase, 120.1), HangVerdict::kHung) << PhaseName(phase);
  }
}

TEST(HangRuleTest, APhaseThatBeatsIsJudgedByTheFloorAlone) {
  for (const Phase phase : {Phase::kLoad, Phase::kPiece, Phase::kDeal, Phase::kCopy, Phase::kSeal, Phase::kCommit}) {
    EXPECT_EQ(JudgeQuiet(phase, 60, 3600), HangVerdict::kFine) << PhaseName(phase);
    EXPECT_EQ(JudgeQuiet(phase, 60.1, 3600), HangVerdict::kHung) << PhaseName(phase) << ", however long one takes";
    EXPECT_EQ(JudgeQuiet(phase, 10.1, 3600, true), HangVerdict::kStopped) << PhaseName(phase);
  }
}

TEST(HangRuleTest, WaitingForWorkIsNotJudged) {
  EXPECT_EQ(JudgeQuiet(Phase::kStage, 1e9), HangVerdict::kFine);
  EXPECT_EQ(HangLimitSeconds({.phase = Phase::kStage}, kLimits), std::numeric_limits<double>::infinity());
}

TEST(HangRuleTest, StoppedIsFoundAfterTheFloorInEveryPhase) {
  for (std::uint32_t i = 0; i < kPhases; ++i) {
    const auto phase = static_cast<Phase>(i);
    EXPECT_EQ(JudgeQuiet(phase, 10, 0, true), HangVerdict::kFine) << PhaseName(phase);
    EXPECT_EQ(JudgeQuiet(phase, 10.1, 0, true), HangVerdict::kStopped) << PhaseName(phase);
  }
}

}  // namespace
}  // namespace still::worker
