#include "common/faults/fault_point.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>
#include <utility>
#include <vector>

#include "tests/testing/status_matchers.h"

namespace still {
namespace {

using still::testing::StatusIs;
using ::testing::ExitedWithCode;
using ::testing::HasSubstr;
using ::testing::KilledBySignal;

// A process reads its faults once, when it starts. So each of these tests starts a process: GoogleTest's threadsafe
// style runs the binary again, with the environment set here.
class FaultPointDeathTest : public ::testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
  void TearDown() override {
    for (const char* name : {"STILL_FAULT", "STILL_LAUNCH", "OMPI_COMM_WORLD_RANK"}) unsetenv(name);
  }
};

// Passes one point three times, and other points. Exits with the digits of the passes that failed, 0 for none.
[[noreturn]] void PassThreeTimes(Code expected = Code::kInternal) {
  int failed = 0;
  for (int pass = 1; pass <= 3; ++pass) {
    if (!FaultPoint("other").ok() || !FaultPoint("a").ok() || !FaultPoint("b").ok()) std::exit(241);
    const Status status = FaultPoint("a.b");
    if (!status.ok()) failed = 10 * failed + pass;
    if (!status.ok() && status.code() != expected) std::exit(240);
  }
  std::exit(failed);
}

TEST_F(FaultPointDeathTest, UnarmedPointsPass) { EXPECT_EXIT(PassThreeTimes(), ExitedWithCode(0), ""); }

TEST_F(FaultPointDeathTest, AFaultActsAtItsPassAStarAtEveryPass) {
  const std::pair<const char*, int> cases[] = {
      {"*:2:a.b:error", 2},
      {"*:*:a.b:error", 123},
      {"*:1:a.b:error,7:2:a.b:kill,*:3:a.b:delay1,*:3:a.b:error", 13},
  };
  for (const auto& [faults, failed] : cases) {
    setenv("STILL_FAULT", faults, 1);
    EXPECT_EXIT(PassThreeTimes(), ExitedWithCode(failed), "") << faults;
  }
}

TEST_F(FaultPointDeathTest, AFaultCanPlayAFullDisk) {
  setenv("STILL_FAULT", "*:3:a.b:enospc", 1);
  EXPECT_EXIT(PassThreeTimes(Code::kResourceExhausted), ExitedWithCode(3), "");
}

TEST_F(FaultPointDeathTest, AFaultCanKillTheProcess) {
  setenv("STILL_FAULT", "*:1:a.b:kill", 1);
  EXPECT_EXIT(PassThreeTimes(), KilledBySignal(SIGKILL), "");
}

TEST_F(FaultPointDeathTest, AFaultStrikesOnlyTheNamedRank) {
  setenv("STILL_FAULT", "1:1:a.b:kill", 1);
  EXPECT_EXIT(PassThreeTimes(), ExitedWithCode(0), "");
  setenv("OMPI_COMM_WORLD_RANK", "0", 1);
  EXPECT_EXIT(PassThreeTimes(), ExitedWithCode(0), "");
  setenv("OMPI_COMM_WORLD_RANK", "1", 1);
  EXPECT_EXIT(PassThreeTimes(), KilledBySignal(SIGKILL), "");
}

TEST_F(FaultPointDeathTest, AFaultStrikesOnlyTheNamedLaunchByDefaultTheFirst) {
  const auto expect = [](const char* fault, const char* launch, int exit_code) {
    setenv("STILL_FAULT", fault, 1);
    setenv("STILL_LAUNCH", launch, 1);
    EXPECT_EXIT(PassThreeTimes(), ExitedWithCode(exit_code), "") << fault << " in launch " << launch;
  };
  expect("*:2:a.b:error", "1", 2);
  expect("*:2:a.b:error", "2", 0);
  expect("*:2:a.b:error@2", "2", 2);
  expect("*:2:a.b:error@2", "1", 0);
  expect("*:2:a.b:error@*", "7", 2);
}

TEST_F(FaultPointDeathTest, AMalformedSpecificationEndsTheProcess) {
  for (const char* wrong : {"a.b", "1:a.b:error", "*:1:a.b:error,", "*:1:a.b:explode"}) {
    setenv("STILL_FAULT", wrong, 1);
    EXPECT_EXIT(PassThreeTimes(), KilledBySignal(SIGABRT), "STILL_FAULT: fault '.*<rank>:<step>:<point>") << wrong;
  }
}

// Exits with the digits of the steps at which a pass failed; each step passes the point twice.
[[noreturn]] void PassInFiveSteps() {
  int failed = 0;
  SetFaultScope("train");
  for (int step = 0; step < 5; ++step) {
    SetFaultStep(static_cast<std::uint64_t>(step));
    for (int pass = 0; pass < 2; ++pass) {
      if (!FaultPoint("vote").ok()) failed = 10 * failed + step;
    }
  }
  std::exit(failed);
}

TEST_F(FaultPointDeathTest, OnceAStepIsSetPassesAreNotCounted) {
  setenv("STILL_FAULT", "*:3:vote:error", 1);
  EXPECT_EXIT(PassInFiveSteps(), ExitedWithCode(3), "");
}

TEST_F(FaultPointDeathTest, APointMayBeNamedWithItsScope) {
  setenv("STILL_FAULT", "*:3:train.vote:error", 1);
  EXPECT_EXIT(PassInFiveSteps(), ExitedWithCode(3), "");
  for (const char* elsewhere : {"*:3:teacher.vote:error", "*:3:trainvote:error", "*:3:train.:error"}) {
    setenv("STILL_FAULT", elsewhere, 1);
    EXPECT_EXIT(PassInFiveSteps(), ExitedWithCode(0), "") << elsewhere;
  }
}

[[noreturn]] void PassFromFourThreads() {
  std::atomic<int> failed = 0;
  SetFaultStep(3);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int pass = 0; pass < 100; ++pass) {
        if (!FaultPoint("write").ok()) ++failed;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::exit(failed);
}

TEST_F(FaultPointDeathTest, AThreadInTheBackgroundMeetsTheStepInProgressOnce) {
  setenv("STILL_FAULT", "*:3:write:error", 1);
  EXPECT_EXIT(PassFromFourThreads(), ExitedWithCode(1), "");
  setenv("STILL_FAULT", "*:4:write:error", 1);
  EXPECT_EXIT(PassFromFourThreads(), ExitedWithCode(0), "");
}

[[noreturn]] void TearThreeTimes() {
  int torn = 0;
  for (int pass = 1; pass <= 3; ++pass) {
    if (!FaultPoint("write").ok()) std::exit(240);
    if (FaultTears("write")) torn = 10 * torn + pass;
  }
  std::exit(torn);
}

TEST_F(FaultPointDeathTest, ATearActsOnlyAtFaultTears) {
  setenv("STILL_FAULT", "*:2:write:torn", 1);
  EXPECT_EXIT(TearThreeTimes(), ExitedWithCode(2), "");
  setenv("STILL_FAULT", "*:2:write:delay0", 1);
  EXPECT_EXIT(TearThreeTimes(), ExitedWithCode(0), "");
}

[[noreturn]] void SpoilThreeTimes() {
  int spoiled = 0;
  for (int pass = 1; pass <= 3; ++pass) {
    if (!FaultPoint("compute").ok() || FaultTears("compute")) std::exit(240);
    if (FaultSpoils("compute")) spoiled = 10 * spoiled + pass;
  }
  std::exit(spoiled);
}

TEST_F(FaultPointDeathTest, ANanActsOnlyAtFaultSpoils) {
  setenv("STILL_FAULT", "*:3:compute:nan", 1);
  EXPECT_EXIT(SpoilThreeTimes(), ExitedWithCode(3), "");
  setenv("STILL_FAULT", "*:*:write:nan,*:2:compute:delay0", 1);
  EXPECT_EXIT(SpoilThreeTimes(), ExitedWithCode(0), "");
}

TEST_F(FaultPointDeathTest, AFlipActsOnlyAtFaultFlips) {
  const auto flip_three_times = [] {
    int flipped = 0;
    for (int pass = 1; pass <= 3; ++pass) {
      if (!FaultPoint("result").ok() || FaultSpoils("result")) std::exit(240);
      if (FaultFlips("result")) flipped = 10 * flipped + pass;
    }
    std::exit(flipped);
  };
  setenv("STILL_FAULT", "*:2:result:flip", 1);
  EXPECT_EXIT(flip_three_times(), ExitedWithCode(2), "");
  setenv("STILL_FAULT", "*:*:result:nan,*:*:other:flip", 1);
  EXPECT_EXIT(flip_three_times(), ExitedWithCode(240), "");
}

TEST_F(FaultPointDeathTest, ADelayLastsAsLongAsItSays) {
  setenv("STILL_FAULT", "*:1:a:delay30", 1);
  const auto delayed = [] {
    const auto start = std::chrono::steady_clock::now();
    const bool passed = FaultPoint("a").ok();
    std::exit(passed && std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(30) ? 0 : 1);
  };
  EXPECT_EXIT(delayed(), ExitedWithCode(0), "");
}

TEST(FaultPointTest, AStoppedProcessGoesOnWhenItIsContinued) {
  const pid_t child = fork();
  if (child == 0) {
    const bool armed = ArmFaults("*:1:a:stop").ok();
    const bool passed = FaultPoint("a").ok();
    _exit(armed && passed ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
  ASSERT_TRUE(WIFSTOPPED(status));
  kill(child, SIGCONT);
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

[[noreturn]] void ArmThenPass() {
  if (!ArmFaults("*:2:a.b:error,3:1:x:kill").ok()) std::exit(239);
  if (ArmFaults("*:1:a.b").code() != Code::kInvalidArgument) std::exit(238);
  if (std::string_view(std::getenv("STILL_FAULT")) != "*:2:a.b:error,3:1:x:kill") std::exit(237);
  PassThreeTimes();
}

TEST_F(FaultPointDeathTest, ARunningProcessIsArmedWithItsChildren) {
  EXPECT_EXIT(ArmThenPass(), ExitedWithCode(2), "");
  setenv("STILL_FAULT", "*:1:a.b:kill", 1);
  EXPECT_EXIT(ArmThenPass(), ExitedWithCode(2), "");
}

TEST(FaultPointTest, EveryFormOfASpecificationIsAccepted) {
  for (const char* good : {"0:1:vote:kill", "*:*:train.vote:stop@*", "12:34:write:torn@3", "*:0:reduce:delay0",
                           "1:18446744073709551615:fsync:enospc", "*:4:rename:error@1"}) {
    EXPECT_OK(CheckFaultSpecification(good));
  }
}

TEST(FaultPointTest, EveryOtherSpecificationIsRefusedWithTheForm) {
  for (const char* wrong :
       {"", "vote:1:kill", "1:2:vote:kill:3", "one:2:vote:kill", ":2:vote:kill", "-1:2:vote:kill", "1:2x:vote:kill",
        "1:18446744073709551616:vote:kill", "1:2::kill", "1:2:vote:", "1:2:vote:delay", "1:2:vote:delay-5",
        "1:2:vote:delay99999999999", "1:2:vote:kill@", "1:2:vote:kill@0", "1:2:vote:kill@1@2"}) {
    EXPECT_THAT(CheckFaultSpecification(wrong),
                StatusIs(Code::kInvalidArgument, HasSubstr("<rank>:<step>:<point>:<kind>")))
        << wrong;
  }
}

}  // namespace
}  // namespace still
