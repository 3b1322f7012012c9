#include "cli/table.h"

#include <gtest/gtest.h>

namespace still::cli {
namespace {

TEST(TableTest, ColumnsAlignAndLinesEndWithoutBlanks) {
  Table table({{"ID", Align::kRight}, {"NAME"}, {"STATE"}});
  table.Add({"7", "a", "RUNNING"});
  table.Add({"1234", "längst", ""});
  EXPECT_EQ(table.Text(),
            "  ID  NAME    STATE\n"
            "   7  a       RUNNING\n"
            "1234  längst\n");
}

TEST(TableTest, ColumnsWithoutAnyTextAreLeftOut) {
  Table table({{"A"}, {"B"}, {"C"}});
  table.Add({"1", "", "3"});
  EXPECT_EQ(table.Text(), "A  C\n1  3\n");
}

TEST(TableTest, ATableThatDoesNotFitLosesColumnsAndThenText) {
  Table table({{"ID", Align::kRight},
               {"NAME", Align::kLeft, kCutBeginning},
               {"A", Align::kLeft, kSpare},
               {"B", Align::kLeft, kSpare + 1},
               {"WHY", Align::kLeft, kCutEnd}});
  table.Add({"1", "ablation/no-mlm/train", "aaaa", "bbbb", "waits for slots of others"});
  EXPECT_EQ(table.Text(66),
            "ID  NAME                   A     B     WHY\n"
            " 1  ablation/no-mlm/train  aaaa  bbbb  waits for slots of others\n");
  EXPECT_EQ(table.Text(56),
            "ID  NAME            A     B     WHY\n"
            " 1  …/no-mlm/train  aaaa  bbbb  waits for slots of othe…\n");
  EXPECT_EQ(table.Text(40),
            "ID  NAME            WHY\n"
            " 1  …/no-mlm/train  waits for slots of …\n");
  EXPECT_EQ(table.Text(10),
            "ID  NAME …\n"
            " 1  …/no-…\n");
}

TEST(TableTest, ControlCharactersAreEscaped) {
  Table table({{"A"}});
  table.Add({"x\x1b[2J\ny"});
  EXPECT_EQ(table.Text(), "A\nx\\x1b[2J\\ny\n");
}

TEST(TableTest, MarkdownEscapesBars) {
  Table table({{"A"}, {"B", Align::kRight}});
  table.Add({"x|y", "1"});
  EXPECT_EQ(table.Markdown(), "| A | B |\n|---|---:|\n| x\\|y | 1 |\n");
}

TEST(TableTest, WidthCountsCodePointsAndClippingLeavesAMark) {
  EXPECT_EQ(Width("längst"), 6u);
  EXPECT_EQ(Clipped("längst", 6), "längst");
  EXPECT_EQ(Clipped("längst", 3), "lä…");
  EXPECT_EQ(Clipped("längst", 1), "…");
  EXPECT_EQ(Clipped("längst", 0), "");
  EXPECT_EQ(ClippedInFront("längst", 6), "längst");
  EXPECT_EQ(ClippedInFront("kürzest längst", 6), "…ängst");
  EXPECT_EQ(ClippedInFront("längst", 1), "…");
}

}  // namespace
}  // namespace still::cli
