// The server of a launch on several hosts: keys, the address under which it is found, and hosts that fall silent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/storage/files.h"
#include "coordinator/launch/launch_server.h"
#include "tests/testing/fake_launcher.h"
#include "tests/testing/fake_rank.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still::coordinator {
namespace {

using cluster::ExitInfo;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using testing::FakeJob;
using testing::FakeRank;
using ::testing::HasSubstr;
using testing::StatusIs;

constexpr std::uint64_t kLaunched = 5;

class LaunchServerHostsTest : public ::testing::Test {
 protected:
  // Returns options for hosts a (rank 0) and b (ranks 1 and 2).
  LaunchOptions Options() const {
    return {.stage = v1::STAGE_TRAIN,
            .generation = kLaunched,
            .ranks = 3,
            .log_path = log_,
            .survivors_go_on = true,
            .placement = {{"a", 1}, {"b", 2}},
            .host_silence = {.silence = milliseconds(300), .others = milliseconds(200)},
            .tick = milliseconds(5)};
  }
  static void Beat(FakeRank& rank, const std::string& host, v1::Envelope* answer = nullptr) {
    v1::Envelope envelope;
    envelope.mutable_heartbeat()->set_phase(v1::PHASE_COMPUTE);
    envelope.mutable_heartbeat()->set_step(7);
    envelope.mutable_heartbeat()->set_host(host);
    rank.Say(envelope);
    const auto said = rank.Answer();
    if (answer != nullptr) *answer = said;
  }

  testing::TempDirectory directory_;
  const std::string log_ = directory_ / "train.log";
  const std::atomic<int> stops_{0};
};

TEST_F(LaunchServerHostsTest, AHostThatFallsSilentEndsTheLaunchAndTheOthersAreFenced) {
  const auto server = LaunchServer::Bind(Options(), Clock::System()).value();
  v1::Envelope last_answer;
  FakeJob job([&](std::stop_token killed) {
    FakeRank zero(server->endpoint(), kLaunched, 0);
    for (const std::uint32_t rank : {1, 2}) {
      FakeRank of_b(server->endpoint(), kLaunched, rank);
      Beat(of_b, "b");
    }
    while (!killed.stop_requested()) Beat(zero, "a");
    Beat(zero, "a", &last_answer);
    return ExitInfo{.signal = 9};
  });
  const v1::GenerationEnd end = server->Run(job, stops_);
  EXPECT_EQ(end.code(), v1::CODE_UNAVAILABLE);
  EXPECT_EQ(end.death().host(), "b");
  EXPECT_EQ(end.death().cause(), v1::DEATH_CAUSE_HOST_LOST);
  EXPECT_THAT(end.death().ranks(), ElementsAre(1u, 2u));
  EXPECT_GT(end.death().silent_seconds(), 0);
  EXPECT_THAT(end.why(), HasSubstr("rank 0 in compute of step 7"));
  EXPECT_GE(job.kills, 1);
  EXPECT_TRUE(last_answer.has_fenced());
}

TEST_F(LaunchServerHostsTest, AHostWhoseRanksTheOthersWentOnWithoutIsNotMissed) {
  LaunchOptions options = Options();
  options.on_shrink = [](const v1::GenerationEnd&, std::size_t) { return Result<std::uint64_t>(kLaunched + 1); };
  const auto server = LaunchServer::Bind(std::move(options), Clock::System()).value();
  FakeJob job([&](auto) {
    FakeRank zero(server->endpoint(), kLaunched, 0);
    Beat(zero, "a");
    EXPECT_EQ(zero.AskShrink(1, 7, {0}).shrink_reply().generation(), kLaunched + 1);
    const auto until = Clock::System().Now() + milliseconds(500);  // longer than the limit
    while (Clock::System().Now() < until) Beat(zero, "a");
    zero.SayResult(Code::kOk);
    return ExitInfo{};
  });
  EXPECT_EQ(server->Run(job, stops_).code(), v1::CODE_OK);
}

// Ranks of leased work need each other for nothing, so those of a lost host are dead like any others.
TEST_F(LaunchServerHostsTest, InLeasedWorkTheOthersGoOnWithoutTheHostThatFallsSilent) {
  LaunchOptions options = Options();
  options.stage = v1::STAGE_TARGETS;
  options.rounds = {{.shards = 3}};
  options.last_words = milliseconds(20);
  std::vector<v1::GenerationEnd> ends;
  options.on_shrink = [&](const v1::GenerationEnd& end, std::size_t survivors) {
    EXPECT_EQ(survivors, 1u);
    ends.push_back(end);
    return Result<std::uint64_t>(kLaunched + 1);
  };
  const auto server = LaunchServer::Bind(std::move(options), Clock::System()).value();
  FakeJob job([&](auto) {
    FakeRank zero(server->endpoint(), kLaunched, 0), one(server->endpoint(), kLaunched, 1);
    FakeRank two(server->endpoint(), kLaunched, 2);
    const auto lost = one.NextShard();
    EXPECT_EQ(two.NextShard().shard(), 1u);
    for (FakeRank* of_b : {&one, &two}) Beat(*of_b, "b");
    FakeRank guardian(server->endpoint(), kLaunched, 0);
    v1::LeaseGrant grant;
    for (std::uint32_t done = 0; done < 3;) {
      Beat(guardian, "a");
      grant = zero.NextShard();
      if (grant.answer() != v1::LEASE_ANSWER_SHARD) continue;  // b has it
      zero.SayDone(grant, "same");
      ++done;
    }
    while (!two.Beat().has_fenced()) continue;
    one.SayDone(lost, "too late");
    EXPECT_TRUE(one.Answer().has_fenced());
    EXPECT_EQ(zero.NextShard().answer(), v1::LEASE_ANSWER_COMMIT);
    zero.SayResult(Code::kOk);
    return ExitInfo{};
  });
  const v1::GenerationEnd end = server->Run(job, stops_);
  EXPECT_EQ(end.code(), v1::CODE_OK) << end.why();
  EXPECT_EQ(end.generation(), kLaunched + 1);
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends[0].death().host(), "b");
  EXPECT_TRUE(ends[0].in_place());
  EXPECT_EQ(ends[0].death().cause(), v1::DEATH_CAUSE_HOST_LOST);
  EXPECT_THAT(ends[0].death().ranks(), ElementsAre(1u, 2u));
  EXPECT_EQ(job.terminations, 0);
}

TEST_F(LaunchServerHostsTest, OneRankOfAHostThatIsHeardIsEnough) {
  const auto server = LaunchServer::Bind(Options(), Clock::System()).value();
  FakeJob job([&](auto) {
    FakeRank zero(server->endpoint(), kLaunched, 0), two(server->endpoint(), kLaunched, 2);
    const auto until = Clock::System().Now() + milliseconds(500);
    while (Clock::System().Now() < until) {
      Beat(zero, "a");
      Beat(two, "b");
    }
    zero.SayResult(Code::kOk);
    return ExitInfo{};
  });
  EXPECT_EQ(server->Run(job, stops_).death().host(), "");
}

TEST_F(LaunchServerHostsTest, WithKeysOnlyRanksThatHaveThemAreHeard) {
  LaunchOptions options = Options();
  options.network.client = NewRpcKeyPair().value();
  options.network.keys = RpcServerKeys{.own = NewRpcKeyPair().value(), .clients = {options.network.client.public_key}};
  const RpcClientKeys keys{.server = options.network.keys->own.public_key, .own = options.network.client};
  const auto server = LaunchServer::Bind(std::move(options), Clock::System()).value();
  FakeJob job([&](auto) {
    FakeRank stranger(server->endpoint(), kLaunched, 1);
    stranger.SayResult(Code::kDataLoss, "believe me");
    FakeRank zero(server->endpoint(), kLaunched, 0, keys);
    Beat(zero, "a");
    zero.SayResult(Code::kOk);
    return ExitInfo{};
  });
  EXPECT_EQ(server->Run(job, stops_).code(), v1::CODE_OK);
}

TEST_F(LaunchServerHostsTest, ItIsFoundUnderTheNameThatOthersReachItBy) {
  LaunchOptions options = Options();
  options.network.advertised_host = "node1";
  const auto server = LaunchServer::Bind(options, Clock::System()).value();
  EXPECT_THAT(server->endpoint(), ::testing::MatchesRegex("tcp://node1:[0-9]+"));
  options.network.bind = "tcp://*:*";
  EXPECT_THAT(LaunchServer::Bind(options, Clock::System()), StatusIs(Code::kInvalidArgument, HasSubstr("keys")));
}

}  // namespace
}  // namespace still::coordinator
