#include "cli/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace still::cli {
namespace {

using still::testing::StatusIs;
using ::testing::HasSubstr;

TEST(TextTest, ThousandsAreSeparated) {
  EXPECT_EQ(WithThousands(0), "0");
  EXPECT_EQ(WithThousands(999), "999");
  EXPECT_EQ(WithThousands(1000), "1,000");
  EXPECT_EQ(WithThousands(1234567), "1,234,567");
}

TEST(TextTest, PatternTakesEachNumberInItsForm) {
  const Summary numbers = {{"pages", 1206}, {"loss", 2.34567}, {"bytes", 22'500'000}};
  EXPECT_EQ(FillPattern("{pages} pages, loss {loss:3} in {bytes:MB}.", numbers), "1,206 pages, loss 2.346 in 22.5 MB.");
}

TEST(TextTest, PatternWithAMissingNumberIsEmpty) {
  EXPECT_EQ(FillPattern("{pages} pages, {books} books", {{"pages", 1}}), "");
  EXPECT_EQ(FillPattern("loss {loss:3}", {{"loss", std::nan("")}}), "");
}

TEST(TextTest, TimesAreRelativeToNow) {
  constexpr UnixMs kNow = 1'795'352'700'000;
  EXPECT_EQ(RelativeText(0, kNow), "");
  EXPECT_EQ(RelativeText(kNow + 999, kNow), "now");
  EXPECT_EQ(RelativeText(kNow - 12'000, kNow), "12 s ago");
  EXPECT_EQ(RelativeText(kNow + 240'000, kNow), "in 4 min");
  EXPECT_EQ(RelativeText(kNow - 3 * 3'600'000, kNow), "3 h ago");
  EXPECT_EQ(RelativeText(kNow + std::int64_t{5} * 86'400'000, kNow), "in 5 days");
  EXPECT_EQ(DateText(kNow), "2026-11-22 13:05:00");
  EXPECT_EQ(DateText(0), "");
}

TEST(TextTest, ControlCharactersAndInvalidUtf8AreEscaped) {
  EXPECT_EQ(Escaped("plain, Ünïcode 名"), "plain, Ünïcode 名");
  EXPECT_EQ(Escaped("a\x1b[2Jb\n\tc\r\x7f"), "a\\x1b[2Jb\\n\\tc\\x0d\\x7f");
  EXPECT_EQ(Escaped("\xc2\x9b"
                    "31m"),
            "\\xc2\\x9b31m");  // U+009B, the one-character form of "ESC ["
  EXPECT_EQ(Escaped("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(Escaped("\xe2\x82"), "\\xe2\\x82");
  EXPECT_EQ(Escaped("\xc0\xaf"), "\\xc0\\xaf");
  EXPECT_EQ(Escaped("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // a surrogate
  EXPECT_EQ(Escaped(std::string_view("\0", 1)), "\\x00");
}

TEST(TextTest, DurationsNeedAUnit) {
  EXPECT_EQ(ParseDurationMs("45s").value(), 45'000);
  EXPECT_EQ(ParseDurationMs("90m").value(), 5'400'000);
  EXPECT_EQ(ParseDurationMs("1.5h").value(), 5'400'000);
  EXPECT_EQ(ParseDurationMs("1d").value(), 86'400'000);
  for (const char* wrong : {"", "h", "-1h", "0", "2x", "nan", "inf", "1e300d", "2h30m", " 2h"}) {
    EXPECT_EQ(ParseDurationMs(wrong).status().code(), Code::kInvalidArgument) << wrong;
  }
  EXPECT_THAT(ParseDurationMs("5"), StatusIs(Code::kInvalidArgument, HasSubstr("unit")));
}

}  // namespace
}  // namespace still::cli
