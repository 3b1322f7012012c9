#include "worker/guardian/hang_rule.h"

#include <gtest/gtest.h>

#include <limits>

namespace still::worker {
namespace {

constexpr HangLimits kLimits{.floor_seconds = 10, .factor = 5};

HangVerdict JudgeQuiet(v1::Phase phase, double quiet_seconds, double p99_seconds = 0, bool stopped = false) {
  return Judge({.phase = phase, .quiet_seconds = quiet_seconds, .p99_seconds = p99_seconds, .stopped = stopped},
               kLimits);
}

TEST(HangRuleTest, OwnWorkMayTakeTheFloor) {
  for (const v1::Phase phase : {v1::PHASE_DATA, v1::PHASE_COMPUTE, v1::PHASE_OPTIMIZER, v1::PHASE_SNAPSHOT,
                                v1::PHASE_CHECKPOINT, v1::PHASE_INFERENCE}) {
    EXPECT_EQ(JudgeQuiet(phase, 10, 0.1), HangVerdict::kFine) << EnumWord(phase);
    EXPECT_EQ(JudgeQuiet(phase, 10.1, 0.1), HangVerdict::kHung) << EnumWord(phase);
  }
}

TEST(HangRuleTest, APhaseOfWhichNothingIsKnownHasMoreTime) {
  EXPECT_EQ(JudgeQuiet(v1::PHASE_COMPUTE, 60), HangVerdict::kFine);
  EXPECT_EQ(JudgeQuiet(v1::PHASE_COMPUTE, 60.1), HangVerdict::kHung);
}

TEST(HangRuleTest, APhaseKnownToBeSlowHasAMultipleOfIts99thPercentile) {
  EXPECT_EQ(JudgeQuiet(v1::PHASE_COMPUTE, 10.1, 2), HangVerdict::kHung);  // 5 * 2 is no more than the floor
  EXPECT_EQ(JudgeQuiet(v1::PHASE_COMPUTE, 19.9, 4), HangVerdict::kFine);
  EXPECT_EQ(JudgeQuiet(v1::PHASE_COMPUTE, 20.1, 4), HangVerdict::kHung);
  EXPECT_EQ(JudgeQuiet(v1::PHASE_VOTE, 119, 4), HangVerdict::kFine);
  EXPECT_EQ(JudgeQuiet(v1::PHASE_VOTE, 121, 4), HangVerdict::kHung);
}

TEST(HangRuleTest, WaitingForOthersIsNoHangBeforeTheyHadTheirTime) {
  for (const v1::Phase phase : {v1::PHASE_REDUCE, v1::PHASE_VOTE, v1::PHASE_RECOVER, v1::PHASE_SHUTDOWN}) {
    EXPECT_TRUE(FactsOf(phase).waits_for_others) << EnumWord(phase);
    EXPECT_EQ(JudgeQuiet(phase, 60), HangVerdict::kFine) << EnumWord(phase);
    EXPECT_EQ(JudgeQuiet(phase, 60.1), HangVerdict::kHung) << EnumWord(phase);
  }
}

TEST(HangRuleTest, StartMayLoadModels) {
  for (const v1::Phase phase : {v1::PHASE_START, v1::PHASE_RESTORE}) {
    EXPECT_EQ(JudgeQuiet(phase, 120), HangVerdict::kFine) << EnumWord(phase);
    EXPECT_EQ(JudgeQuiet(phase, 120.1), HangVerdict::kHung) << EnumWord(phase);
  }
}

TEST(HangRuleTest, APhaseThatShowsProgressIsJudgedByTheFloorAlone) {
  for (const v1::Phase phase :
       {v1::PHASE_LOAD, v1::PHASE_TOKENISE, v1::PHASE_PLAN_SHARDS, v1::PHASE_COPY, v1::PHASE_SEAL, v1::PHASE_COMMIT}) {
    EXPECT_EQ(JudgeQuiet(phase, 60, 3600), HangVerdict::kFine) << EnumWord(phase);
    EXPECT_EQ(JudgeQuiet(phase, 60.1, 3600), HangVerdict::kHung) << EnumWord(phase) << ", however long one takes";
    EXPECT_EQ(JudgeQuiet(phase, 10.1, 3600, true), HangVerdict::kStopped) << EnumWord(phase);
  }
}

TEST(HangRuleTest, WaitingForWorkIsNotJudged) {
  EXPECT_EQ(JudgeQuiet(v1::PHASE_WAIT, 1e9), HangVerdict::kFine);
  EXPECT_EQ(HangLimitSeconds({.phase = v1::PHASE_WAIT}, kLimits), std::numeric_limits<double>::infinity());
}

TEST(HangRuleTest, StoppedIsFoundAfterTheFloorInEveryPhase) {
  for (int i = v1::PHASE_START; i < v1::Phase_ARRAYSIZE; ++i) {
    const auto phase = static_cast<v1::Phase>(i);
    EXPECT_EQ(JudgeQuiet(phase, 10, 0, true), HangVerdict::kFine) << EnumWord(phase);
    EXPECT_EQ(JudgeQuiet(phase, 10.1, 0, true), HangVerdict::kStopped) << EnumWord(phase);
  }
}

}  // namespace
}  // namespace still::worker
