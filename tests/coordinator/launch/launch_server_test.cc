// One launch and how it ends, by results and by stops. Tests of deaths are in launch_server_recovery_test.cc, those of
// shards in launch_server_leases_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/storage/files.h"
#include "tests/coordinator/launch/launch_server_fixture.h"
#include "tests/testing/racing_clock.h"

namespace still::coordinator {
namespace {

using cluster::ExitInfo;
using testing::FakeJob;
using testing::FakeRank;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::RacingClock;

class LaunchServerTest : public LaunchServerFixture {
 protected:
  void SetUp() override { Bind({}, Clock::System()); }

  void Bind(LaunchOptions options, const Clock& clock) {
    options.stage = v1::STAGE_TRAIN;
    options.rounds = {{.shards = 3}};
    options.tick = std::chrono::milliseconds(20);
    Serve(std::move(options), clock);
  }
};

TEST_F(LaunchServerTest, SuccessOfRankZeroIsTheOutcomeWhateverMpirunReturns) {
  FakeJob job([&](auto) {
    Rank(0)->SayResult(Code::kOk);
    return ExitInfo{.code = 137};
  });
  const v1::GenerationEnd end = Run(job);
  EXPECT_EQ(end.code(), v1::CODE_OK);
  EXPECT_EQ(end.generation(), 5u);
}

TEST_F(LaunchServerTest, SuccessOfAnyMemberCounts) {
  FakeJob job([&](auto) {
    Rank(2)->SayResult(Code::kOk);
    return ExitInfo{.signal = 9};
  });
  EXPECT_EQ(Run(job).code(), v1::CODE_OK);
}

TEST_F(LaunchServerTest, FailureKeepsItsCodeAndNamesStageAndRank) {
  FakeJob job([&](auto) {
    Rank(1)->SayResult(Code::kDataLoss, "shard 4 is damaged");
    return ExitInfo{};
  });
  const v1::GenerationEnd end = Run(job);
  EXPECT_EQ(end.code(), v1::CODE_DATA_LOSS);
  EXPECT_EQ(end.why(), "train, rank 1: shard 4 is damaged");
}

TEST_F(LaunchServerTest, FirstFailureIsTheOutcome) {
  FakeJob job([&](auto) {
    const auto rank = Rank(1);  // messages of one connection arrive in order
    rank->SayResult(Code::kResourceExhausted, "disk full");
    rank->SayResult(Code::kUnavailable, "a peer is gone");
    rank->SayResult(Code::kOk);
    return ExitInfo{};
  });
  EXPECT_EQ(Run(job).why(), "train, rank 1: disk full");
}

TEST_F(LaunchServerTest, FailureThatWouldHappenAgainBeatsAMissedPeer) {
  FakeJob job([&](auto) {
    const auto rank = Rank(1);
    rank->SayResult(Code::kUnavailable, "a peer is gone");
    rank->SayResult(Code::kDataLoss, "shard 4 is damaged");
    return ExitInfo{};
  });
  EXPECT_EQ(Run(job).code(), v1::CODE_DATA_LOSS);
}

TEST_F(LaunchServerTest, DeathWithoutAResultIsUnavailableAndShowsTheEndOfThisLaunchsLog) {
  ASSERT_TRUE(WriteFileAtomically(log_, "an earlier launch\n").ok());
  Bind({}, Clock::System());
  ASSERT_TRUE(WriteFileAtomically(log_, "an earlier launch\nstarting\nrank 1 was killed\n").ok());
  FakeJob job([](auto) { return ExitInfo{.signal = 9}; });
  const v1::GenerationEnd end = Run(job);
  EXPECT_EQ(end.code(), v1::CODE_UNAVAILABLE);
  EXPECT_THAT(end.why(), HasSubstr("signal 9"));
  EXPECT_THAT(end.why(), HasSubstr(log_));
  EXPECT_THAT(end.why(), HasSubstr("\n    starting\n    rank 1 was killed"));
  EXPECT_THAT(end.why(), Not(HasSubstr("earlier")));
}

TEST_F(LaunchServerTest, MpirunThatHangsAfterTheResultIsKilled) {
  const RacingClock clock;
  Bind({}, clock);
  FakeJob job([&](std::stop_token killed) {
    Rank(0)->SayResult(Code::kOk);
    testing::WaitUntilKilled(killed);
    return ExitInfo{.signal = 9};
  });
  EXPECT_EQ(Run(job).code(), v1::CODE_OK);
  EXPECT_GE(job.kills, 1);
}

TEST_F(LaunchServerTest, StopTerminatesAJobThatNeedNotDrain) {
  stops_ = 1;
  FakeJob job([](std::stop_token killed) {
    testing::WaitUntilKilled(killed);
    return ExitInfo{.signal = 15};
  });
  EXPECT_EQ(Run(job).code(), v1::CODE_CANCELLED);
  EXPECT_EQ(job.terminations, 1);
  EXPECT_EQ(job.kills, 0);
}

TEST_F(LaunchServerTest, StopFirstAsksTheRanksToFinishTheirStep) {
  Bind({.drain_patience = std::chrono::hours(1)}, Clock::System());
  FakeJob job([&](auto) {
    const auto guardian = Rank(0);
    EXPECT_FALSE(guardian->Beat().heartbeat_reply().drain());
    stops_ = 1;
    while (!guardian->Beat().heartbeat_reply().drain()) continue;
    Rank(0)->SayResult(Code::kCancelled, "step 7");
    return ExitInfo{};
  });
  const v1::GenerationEnd end = Run(job);
  EXPECT_EQ(end.code(), v1::CODE_CANCELLED);
  EXPECT_EQ(end.why(), "train: step 7");
  EXPECT_EQ(job.terminations, 0);
}

TEST_F(LaunchServerTest, RanksThatDoNotDrainInTimeAreTerminatedAndThenKilled) {
  const RacingClock clock;
  Bind({.drain_patience = std::chrono::seconds(5)}, clock);
  stops_ = 1;
  FakeJob job([&](std::stop_token killed) {
    testing::WaitUntilKilled(killed);
    return ExitInfo{.signal = 15};
  });
  const v1::GenerationEnd end = Run(job);
  EXPECT_EQ(end.code(), v1::CODE_CANCELLED);
  EXPECT_EQ(job.terminations, 1);
}

TEST_F(LaunchServerTest, SecondStopDoesNotWaitForTheStep) {
  Bind({.drain_patience = std::chrono::hours(1)}, Clock::System());
  stops_ = 2;
  FakeJob job([](std::stop_token killed) {
    testing::WaitUntilKilled(killed);
    return ExitInfo{.signal = 9};
  });
  EXPECT_EQ(Run(job).code(), v1::CODE_CANCELLED);
  EXPECT_GE(job.kills, 1);
}

TEST_F(LaunchServerTest, DeathWhileStoppingIsAStop) {
  Bind({.drain_patience = std::chrono::hours(1)}, Clock::System());
  FakeJob job([&](auto) {
    const auto guardian = Rank(0);
    stops_ = 1;
    while (!guardian->Beat(v1::PHASE_COMPUTE, 3).heartbeat_reply().drain()) continue;
    return ExitInfo{.signal = 9};
  });
  const v1::GenerationEnd end = Run(job);
  EXPECT_EQ(end.code(), v1::CODE_CANCELLED);
  EXPECT_EQ(end.death().cause(), v1::DEATH_CAUSE_DIED);
}

TEST_F(LaunchServerTest, OldGenerationIsFencedAndItsResultDoesNotCount) {
  FakeJob job([&](auto) {
    FakeRank old(server_->endpoint(), 4, 0);
    old.SayResult(Code::kOk);
    EXPECT_EQ(old.Answer().fenced().current_generation(), 5u);
    EXPECT_TRUE(old.AskShard(1).has_fenced());
    EXPECT_TRUE(old.Beat().has_fenced()) << "its guardian is fenced as well";
    EXPECT_TRUE(Rank(3)->Beat().has_fenced()) << "there is no such rank";
    return ExitInfo{};
  });
  EXPECT_EQ(Run(job).code(), v1::CODE_UNAVAILABLE);
}

TEST_F(LaunchServerTest, GarbageIsDroppedAndTheStageGoesOn) {
  FakeJob job([&](auto) {
    const auto stranger = RpcClient::Connect(server_->endpoint(), "stranger").value();
    EXPECT_TRUE(stranger->Send("\xff\xff not a message").ok());
    Rank(0)->SayResult(Code::kOk);
    return ExitInfo{};
  });
  EXPECT_EQ(Run(job).code(), v1::CODE_OK);
}

}  // namespace
}  // namespace still::coordinator
