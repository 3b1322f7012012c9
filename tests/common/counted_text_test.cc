#include "common/counted_text.h"

#include <gtest/gtest.h>

namespace still {
namespace {

TEST(CountedTextTest, OnlyOneThingIsSingular) {
  EXPECT_EQ(Counted(0, "rank"), "0 ranks");
  EXPECT_EQ(Counted(1, "rank"), "1 rank");
  EXPECT_EQ(Counted(2, "rank"), "2 ranks");
}

}  // namespace
}  // namespace still
