#include "common/duration_text.h"

#include <gtest/gtest.h>

namespace still {
namespace {

TEST(DurationTextTest, GrowsCoarserWithTheDuration) {
  EXPECT_EQ(DurationText(-1), "0 s");
  EXPECT_EQ(DurationText(440), "0.4 s");
  EXPECT_EQ(DurationText(7000), "7 s");
  EXPECT_EQ(DurationText(12'400), "12 s");
  EXPECT_EQ(DurationText(187'000), "3 min 7 s");
  EXPECT_EQ(DurationText(3'723'000), "1 h 2 min");
  EXPECT_EQ(DurationText(187'200'000), "2 d 4 h");
  EXPECT_EQ(SecondsText(59.9), "1 min 0 s");
}

}  // namespace
}  // namespace still
