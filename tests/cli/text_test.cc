#include "cli/text.h"

#include <gtest/gtest.h>

#include <cmath>

namespace still::cli {
namespace {

TEST(TextTest, ThousandsAreSeparated) {
  EXPECT_EQ(WithThousands(0), "0");
  EXPECT_EQ(WithThousands(999), "999");
  EXPECT_EQ(WithThousands(1000), "1,000");
  EXPECT_EQ(WithThousands(1234567), "1,234,567");
}

TEST(TextTest, DurationsReadAsPeopleSayThem) {
  EXPECT_EQ(DurationText(0.44), "0.4 s");
  EXPECT_EQ(DurationText(12.4), "12 s");
  EXPECT_EQ(DurationText(59.9), "1:00 min");
  EXPECT_EQ(DurationText(187), "3:07 min");
  EXPECT_EQ(DurationText(3723), "1:02:03 h");
}

TEST(TextTest, PatternTakesEachNumberInItsForm) {
  const Summary numbers = {{"pages", 1206}, {"loss", 2.34567}, {"share", 0.953}, {"bytes", 22'500'000}};
  EXPECT_EQ(FillPattern("{pages} pages, loss {loss:3}, {share:%} in {bytes:MB}.", numbers),
            "1,206 pages, loss 2.346, 95.3 % in 22.5 MB.");
}

TEST(TextTest, PatternWithAMissingNumberIsEmpty) {
  EXPECT_EQ(FillPattern("{pages} pages, {books} books", {{"pages", 1}}), "");
  EXPECT_EQ(FillPattern("loss {loss:3}", {{"loss", std::nan("")}}), "");
}

}  // namespace
}  // namespace still::cli
