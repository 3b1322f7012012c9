#include "cli/log_lines.h"

#include <gtest/gtest.h>

namespace still::cli {
namespace {

constexpr const char* kLog =
    "2026-11-24T13:40:13.430Z info train/rank-1: one\n"
    "  of two lines\n"
    "2026-11-24T13:40:14.176Z info train/rank-0: zero\n"
    "2026-11-24T13:40:14.176Z info train/rank-10: ten\n"
    "2026-11-24T13:40:15.000Z info train/rank-1: again\n";

TEST(LogLinesTest, ARankOwnsTheLinesThatItSignedAndThoseBelow) {
  LogLines all({});
  EXPECT_EQ(all.Add(kLog), kLog);
  LogLines one(1);
  EXPECT_EQ(one.Add(kLog),
            "2026-11-24T13:40:13.430Z info train/rank-1: one\n"
            "  of two lines\n"
            "2026-11-24T13:40:15.000Z info train/rank-1: again\n");
  EXPECT_FALSE(one.MissesItsRank());
  LogLines none(2);
  EXPECT_EQ(none.Add(kLog), "");
  EXPECT_TRUE(none.MissesItsRank());
  EXPECT_FALSE(all.MissesItsRank());
}

TEST(LogLinesTest, LinesBeforeTheFirstSignedOneBelongToEveryRank) {
  LogLines elsewhere(1);
  EXPECT_TRUE(elsewhere.MissesItsRank());
  EXPECT_EQ(elsewhere.Add("its ranks write where their mpirun was typed\n"),
            "its ranks write where their mpirun was typed\n");
  EXPECT_FALSE(elsewhere.MissesItsRank());
  EXPECT_EQ(elsewhere.Add("x info train/rank-0: zero\nmore\n"), "");
  EXPECT_TRUE(elsewhere.MissesItsRank());
}

TEST(LogLinesTest, ALineIsShownOnceItIsCompleteOrTheLogEnds) {
  LogLines lines({});
  EXPECT_EQ(lines.Add("ab"), "");
  EXPECT_EQ(lines.Add("c\nd"), "abc\n");
  EXPECT_EQ(lines.Rest(), "d\n");
  EXPECT_EQ(lines.Rest(), "");
}

TEST(LogLinesTest, ControlCharactersAreEscaped) {
  LogLines lines({});
  EXPECT_EQ(lines.Add("a\x1b]0;title\x07\n"), "a\\x1b]0;title\\x07\n");
}

TEST(LogLinesTest, TheTailBeginsAtTheLastLines) {
  EXPECT_EQ(TailBegin("a\nb\nc\n", 0), 0u);
  EXPECT_EQ(TailBegin("a\nb\nc\n", 1), 4u);
  EXPECT_EQ(TailBegin("a\nb\nc\n", 2), 2u);
  EXPECT_EQ(TailBegin("a\nb\nc\n", 9), 0u);
  EXPECT_EQ(TailBegin("a\nb", 1), 2u);
  EXPECT_EQ(TailBegin("", 3), 0u);
  EXPECT_EQ(TailBegin("\n\n", 1), 1u);
}

}  // namespace
}  // namespace still::cli
