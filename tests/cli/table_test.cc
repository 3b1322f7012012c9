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

TEST(TableTest, ControlCharactersAreShownNotObeyed) {
  Table table({{"A"}});
  table.Add({"x\x1b[2J\ny"});
  EXPECT_EQ(table.Text(), "A\nx\\x1b[2J\\ny\n");
}

TEST(TableTest, MarkdownKeepsItsBars) {
  Table table({{"A"}, {"B", Align::kRight}});
  table.Add({"x|y", "1"});
  EXPECT_EQ(table.Markdown(), "| A | B |\n|---|---:|\n| x\\|y | 1 |\n");
}

TEST(TableTest, WidthCountsCodePointsAndClippingShowsThatSomethingIsMissing) {
  EXPECT_EQ(Width("längst"), 6u);
  EXPECT_EQ(Clipped("längst", 6), "längst");
  EXPECT_EQ(Clipped("längst", 3), "lä…");
  EXPECT_EQ(Clipped("längst", 1), "…");
  EXPECT_EQ(Clipped("längst", 0), "");
  EXPECT_EQ(ClippedLines("abc\nde\nfgh", 2), "a…\nde\nf…");
}

}  // namespace
}  // namespace still::cli
