#include "worker/train/learning_rate.h"

#include <gtest/gtest.h>

namespace still::worker {
namespace {

TEST(LearningRateTest, RisesToThePeakThenFallsTowardsZero) {
  // 100 steps, 5 of them warm-up.
  EXPECT_DOUBLE_EQ(LearningRate(0, 100, 1.0, 5), 0.2);
  EXPECT_DOUBLE_EQ(LearningRate(4, 100, 1.0, 5), 1.0);
  EXPECT_DOUBLE_EQ(LearningRate(5, 100, 1.0, 5), 1.0);
  EXPECT_DOUBLE_EQ(LearningRate(99, 100, 1.0, 5), 1.0 / 95);
  EXPECT_DOUBLE_EQ(LearningRate(100, 100, 1.0, 5), 0.0);
}

TEST(LearningRateTest, IsDefinedAtTheEdgesOfItsArguments) {
  EXPECT_DOUBLE_EQ(LearningRate(0, 10, 1.0, 0), 1.0);                            // no warm-up
  EXPECT_DOUBLE_EQ(LearningRate(9, 10, 1.0, 100), 1.0);                          // nothing but warm-up
  EXPECT_DOUBLE_EQ(LearningRate(0, 1, 1.0, 5), 1.0);                             // a single step
  EXPECT_DOUBLE_EQ(LearningRate(0, 10, 1.0, 11), LearningRate(0, 10, 1.0, 20));  // rounded up: 2 steps of 10
  EXPECT_DOUBLE_EQ(LearningRate(0, 0, 1.0, 5), 0.0);
}

}  // namespace
}  // namespace still::worker
