#include "common/status.h"

#include <gtest/gtest.h>

#include <memory>

#include "tests/testing/status_matchers.h"

namespace still {
namespace {

using still::testing::StatusIs;

Result<int> Half(int value) {
  if (value % 2 != 0) return Error(Code::kInvalidArgument, "{} is odd", value);
  return value / 2;
}

Result<int> Quarter(int value) {
  STILL_ASSIGN_OR_RETURN(const int half, Half(value));
  return Half(half);
}

TEST(StatusTest, ErrorsTravelUpUnchangedAndValuesArrive) {
  EXPECT_EQ(*Quarter(12), 3);
  EXPECT_THAT(Quarter(6), StatusIs(Code::kInvalidArgument, "3 is odd"));
}

TEST(StatusTest, ContextIsPutInFrontAndKeepsTheCode) {
  const Status status = Error(Code::kDataLoss, "checksum of block {} does not match", 7).WithContext("shard-00003");
  EXPECT_EQ(status.ToString(), "DATA_LOSS: shard-00003: checksum of block 7 does not match");
  EXPECT_OK(Ok().WithContext("nothing to say"));
}

TEST(StatusTest, APlaceIsAFieldThatContextKeeps) {
  const Status status = Error(Code::kInvalidArgument, "{} is too many", 7).At({"train.epochs", "p.yaml", 3, 9});
  EXPECT_EQ(status.message(), "p.yaml:3:9: 7 is too many");
  const Status wider = status.WithContext("--check");
  ASSERT_NE(wider.place(), nullptr);
  EXPECT_EQ(*wider.place(), (ConfigPlace{"train.epochs", "p.yaml", 3, 9}));
  EXPECT_EQ(Ok().At({"x", "p.yaml", 1, 1}).place(), nullptr);
  EXPECT_EQ(Error(Code::kDataLoss, "x").place(), nullptr);
}

TEST(StatusTest, APlaceIsShownAsFarAsItIsKnown) {
  EXPECT_EQ((ConfigPlace{"a", "", 0, 0}.ToString()), "");
  EXPECT_EQ((ConfigPlace{"a", "f", 0, 0}.ToString()), "f");
  EXPECT_EQ((ConfigPlace{"a", "f", 2, 0}.ToString()), "f:2");
  EXPECT_EQ((ConfigPlace{"a", "f", 2, 3}.ToString()), "f:2:3");
}

TEST(StatusTest, ResultHoldsValuesThatOnlyMove) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(5);
  const std::unique_ptr<int> value = std::move(result).value();
  EXPECT_EQ(*value, 5);
}

TEST(StatusDeathTest, AskingAnErrorForItsValueIsABugThatNamesTheError) {
  EXPECT_DEATH(*Half(3), "INVALID_ARGUMENT: 3 is odd");
}

TEST(StatusTest, ExitCodesSeparateConfigurationFromStorage) {
  EXPECT_EQ(ExitCode(Ok()), 0);
  EXPECT_EQ(ExitCode(Status(Code::kResourceExhausted, "")), 3);
  EXPECT_EQ(ExitCode(Status(Code::kInvalidArgument, "")), 2);
}

}  // namespace
}  // namespace still
