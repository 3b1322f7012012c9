#include "common/parse_number.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace still {
namespace {

TEST(ParseNumberTest, TheWholeTextIsTheNumber) {
  std::uint32_t number = 0;
  EXPECT_TRUE(ParseNumber("4294967295", &number));
  EXPECT_EQ(number, 4'294'967'295U);
  for (const char* wrong : {"", "4294967296", "-1", "+1", " 1", "1 ", "1x", "0x1", "1.5"})
    EXPECT_FALSE(ParseNumber(wrong, &number)) << wrong;
}

}  // namespace
}  // namespace still
