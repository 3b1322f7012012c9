#include "common/fault_point.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>

#include "tests/testing/status_matchers.h"

namespace still {
namespace {

using still::testing::StatusIs;

// Faults are read once, when a process starts: these tests start one anew for each (GoogleTest's threadsafe style runs
// the binary again, with the environment set here).
class FaultPointDeathTest : public ::testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
  void TearDown() override {
    for (const char* name : {"STILL_FAULT", "STILL_FAULT_RANK", "OMPI_COMM_WORLD_RANK"}) unsetenv(name);
  }
};

// Exits with the number of the pass that failed, or 0.
[[noreturn]] void PassThreeTimes(Code expected) {
  for (int pass = 1; pass <= 3; ++pass) {
    const Status status = FaultPoint("a.b");
    if (!status.ok()) std::exit(status.code() == expected ? pass : 100);
    if (!FaultPoint("other").ok()) std::exit(101);
  }
  std::exit(0);
}

TEST_F(FaultPointDeathTest, UnarmedPointsPass) {
  EXPECT_EXIT(PassThreeTimes(Code::kOk), ::testing::ExitedWithCode(0), "");
}

TEST_F(FaultPointDeathTest, FailsAtTheNamedPassOnly) {
  setenv("STILL_FAULT", "a.b:2:error", 1);
  EXPECT_EXIT(PassThreeTimes(Code::kInternal), ::testing::ExitedWithCode(2), "");
}

TEST_F(FaultPointDeathTest, PlaysAFullDisk) {
  setenv("STILL_FAULT", "a.b:3:enospc", 1);
  EXPECT_EXIT(PassThreeTimes(Code::kResourceExhausted), ::testing::ExitedWithCode(3), "");
}

TEST_F(FaultPointDeathTest, KillsTheProcess) {
  setenv("STILL_FAULT", "a.b:1:kill", 1);
  EXPECT_EXIT(PassThreeTimes(Code::kOk), ::testing::KilledBySignal(SIGKILL), "");
}

TEST_F(FaultPointDeathTest, StrikesOnlyTheNamedRank) {
  setenv("STILL_FAULT", "a.b:1:kill", 1);
  setenv("STILL_FAULT_RANK", "1", 1);
  setenv("OMPI_COMM_WORLD_RANK", "0", 1);
  EXPECT_EXIT(PassThreeTimes(Code::kOk), ::testing::ExitedWithCode(0), "");
  setenv("OMPI_COMM_WORLD_RANK", "1", 1);
  EXPECT_EXIT(PassThreeTimes(Code::kOk), ::testing::KilledBySignal(SIGKILL), "");
}

TEST_F(FaultPointDeathTest, RefusesASpecificationItCannotRead) {
  for (const char* wrong : {"a.b", "a.b:error", "a.b:0:error", "a.b:x:error", "a.b:1:explode"}) {
    setenv("STILL_FAULT", wrong, 1);
    EXPECT_EXIT(PassThreeTimes(Code::kOk), ::testing::KilledBySignal(SIGABRT), "STILL_FAULT") << wrong;
  }
}

}  // namespace
}  // namespace still
