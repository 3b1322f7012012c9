// Leased work over real sockets: shards are leased, dead ranks are left behind, and the ranks that are left finish.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/launch/launch_server_fixture.h"
#include "tests/testing/racing_clock.h"

namespace still::coordinator {
namespace {

using cluster::ExitInfo;
using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::FakeJob;
using testing::FakeRank;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using v1::LeaseGrant;

constexpr auto kShard = v1::LEASE_ANSWER_SHARD;
constexpr auto kWait = v1::LEASE_ANSWER_WAIT;
constexpr auto kCommit = v1::LEASE_ANSWER_COMMIT;
constexpr auto kDone = v1::LEASE_ANSWER_DONE;

class LaunchServerLeasesTest : public LaunchServerFixture {
 protected:
  void SetUp() override { Bind({}); }

  void Bind(LaunchOptions options, const Clock& clock = Clock::System(),
            std::vector<WorkRound> rounds = {{.shards = 3}}) {
    options.stage = v1::STAGE_TARGETS;
    options.rounds = std::move(rounds);
    options.survivors_go_on = true;
    options.on_shrink = [this](const v1::GenerationEnd& end, std::size_t survivors) -> Result<std::uint64_t> {
      ends_.push_back(end);
      RecordShrink(end, survivors);
      if (refuse_) return Error(Code::kUnavailable, "3 deaths in a row");
      return end.generation() + 1;
    };
    options.quarantine = [this](std::uint32_t round, std::uint32_t shard) {
      quarantined_.push_back(fmt::format("{}/{}", round, shard));
      return Ok();
    };
    options.tick = std::chrono::milliseconds(5);
    options.last_words = std::chrono::milliseconds(50);
    Serve(std::move(options), clock);
  }
  // Asks until the answer is not to wait.
  static LeaseGrant Await(FakeRank& rank) {
    LeaseGrant grant = rank.NextShard();
    while (grant.answer() == kWait) grant = rank.NextShard();
    return grant;
  }
  // Does shards until the answer is not a shard.
  static LeaseGrant DoAll(FakeRank& rank) {
    while (true) {
      LeaseGrant grant = Await(rank);
      if (grant.answer() != kShard) return grant;
      rank.SayDone(grant, "same");
    }
  }

  std::vector<v1::GenerationEnd> ends_;
  std::vector<std::string> quarantined_;
  bool refuse_ = false;
};

TEST_F(LaunchServerLeasesTest, ShardsAreLeasedOnceAndOneRankCommits) {
  FakeJob job([&](auto) {
    const auto zero = Rank(0);
    const auto one = Rank(1);
    const LeaseGrant first = zero->NextShard();
    EXPECT_EQ(first.shard(), 0u);
    EXPECT_EQ(zero->AskShard(1).lease_grant().lease(), first.lease()) << "the same request, the same lease";
    const LeaseGrant second = one->NextShard();
    EXPECT_EQ(second.shard(), 1u);
    zero->SayDone(first, "a", 4);
    const LeaseGrant third = zero->NextShard();
    EXPECT_EQ(third.shard(), 2u);
    zero->SayDone(third, "b", 4);
    EXPECT_EQ(zero->NextShard().answer(), kWait) << "rank 1 may die before it is done";
    one->SayDone(second, "c", 4);
    const LeaseGrant commit = one->NextShard();
    EXPECT_EQ(commit.answer(), kCommit);
    EXPECT_EQ(commit.tokens(), 120u);
    EXPECT_EQ(zero->NextShard().answer(), kWait) << "rank 1 may die before it has committed";
    one->SayResult(Code::kOk);
    EXPECT_EQ(Await(*zero).answer(), kDone);
    return ExitInfo{};
  });
  EXPECT_EQ(Run(job).code(), v1::CODE_OK);
}

TEST_F(LaunchServerLeasesTest, ADeadRanksShardGoesToTheRanksThatAreLeftAsANewGeneration) {
  FakeJob job([&](auto) {
    const auto one = Rank(1);
    const auto two = Rank(2);
    const LeaseGrant lost = one->NextShard();
    Rank(1)->SayKilled(v1::DEATH_CAUSE_DIED, v1::PHASE_WAIT, 0);
    EXPECT_EQ(DoAll(*two).answer(), kCommit);
    while (!Rank(1)->Beat().has_fenced()) continue;
    one->SayDone(lost, "other");
    EXPECT_TRUE(one->Answer().has_fenced()) << "its result no longer counts";
    two->SayResult(Code::kOk);
    return ExitInfo{};
  });
  const v1::GenerationEnd end = Run(job);
  EXPECT_EQ(end.code(), v1::CODE_OK);
  EXPECT_EQ(end.generation(), 6u);
  EXPECT_THAT(shrinks_, ElementsAre("5: rank 1 died in wait, 2 left"));
}

TEST_F(LaunchServerLeasesTest, ACommitWhoseRankDiesGoesToAnotherRank) {
  FakeJob job([&](auto) {
    const auto one = Rank(1);
    const auto two = Rank(2);
    EXPECT_EQ(DoAll(*one).answer(), kCommit);
    EXPECT_EQ(two->NextShard().answer(), kWait);
    Rank(1)->SayKilled(v1::DEATH_CAUSE_DIED, v1::PHASE_WAIT, 0);
    EXPECT_EQ(Await(*two).answer(), kCommit);
    two->SayResult(Code::kOk);
    return ExitInfo{};
  });
  EXPECT_EQ(Run(job).code(), v1::CODE_OK);
}

TEST_F(LaunchServerLeasesTest, RanksThatDieTogetherAreLeftBehindTogether) {
  FakeJob job([&](auto) {
    const auto guardians = {Rank(0), Rank(2)};
    for (const auto& guardian : guardians) guardian->SayKilled(v1::DEATH_CAUSE_DIED, v1::PHASE_WAIT, 0);
    while (!Rank(0)->Beat().has_fenced()) continue;
    const auto one = Rank(1);
    EXPECT_EQ(DoAll(*one).answer(), kCommit);
    one->SayResult(Code::kOk);
    return ExitInfo{};
  });
  EXPECT_EQ(Run(job).code(), v1::CODE_OK);
  EXPECT_THAT(shrinks_, ElementsAre("5: ranks 0 and 2 died, 1 left"));
}

TEST_F(LaunchServerLeasesTest, AResultThatADeadRankSentCountsThoughItArrivesLater) {
  Bind({.drain = std::chrono::milliseconds(50)});
  FakeJob job([&](std::stop_token killed) {
    Rank(1)->SayKilled(v1::DEATH_CAUSE_DIED, v1::PHASE_WAIT, 0);
    Rank(1)->SayResult(Code::kDataLoss, "why");
    testing::WaitUntilKilled(killed);
    return ExitInfo{.signal = 15};
  });
  EXPECT_EQ(Run(job).why(), "targets, rank 1: why");
  EXPECT_THAT(shrinks_, IsEmpty());
}

TEST_F(LaunchServerLeasesTest, ARefusedReconfigurationEndsTheLaunch) {
  refuse_ = true;
  FakeJob job([&](std::stop_token killed) {
    Rank(1)->SayKilled(v1::DEATH_CAUSE_DIED, v1::PHASE_WAIT, 0);
    testing::WaitUntilKilled(killed);
    return ExitInfo{.signal = 15};
  });
  EXPECT_EQ(Run(job).code(), v1::CODE_UNAVAILABLE);
  EXPECT_EQ(job.terminations, 1);
}

TEST_F(LaunchServerLeasesTest, WithoutSurvivorsADeathEndsTheLaunchAsMpirunDoes) {
  FakeJob job([&](auto) {
    for (const std::uint32_t rank : {0, 1, 2}) Rank(rank)->SayKilled(v1::DEATH_CAUSE_DIED, v1::PHASE_WAIT, 0);
    return ExitInfo{.code = 137};
  });
  EXPECT_EQ(Run(job).code(), v1::CODE_UNAVAILABLE);
  EXPECT_THAT(shrinks_, IsEmpty());
}

TEST_F(LaunchServerLeasesTest, ASilentRanksLeaseExpires) {
  const testing::RacingClock clock;  // its time passes without waiting
  Bind({.leases = {.patience = std::chrono::seconds(30)}}, clock);
  FakeJob job([&](auto) {
    const auto hung = Rank(0);
    EXPECT_EQ(hung->NextShard().shard(), 0u);
    const auto one = Rank(1);
    EXPECT_EQ(DoAll(*one).answer(), kCommit);
    one->SayResult(Code::kOk);
    return ExitInfo{};
  });
  EXPECT_EQ(Run(job).code(), v1::CODE_OK);
}

TEST_F(LaunchServerLeasesTest, TwoResultsOfAShardFailTheStageAtOnceAndTheShardIsSetAside) {
  const testing::RacingClock clock;
  Bind({.leases = {.patience = std::chrono::seconds(30)}}, clock);
  FakeJob job([&](std::stop_token killed) {
    const auto slow = Rank(0);
    const LeaseGrant held = slow->NextShard();
    const auto one = Rank(1);
    EXPECT_EQ(DoAll(*one).answer(), kCommit);
    slow->SayDone(held, "other");
    testing::WaitUntilKilled(killed);  // no rank knows of the failure
    return ExitInfo{};
  });
  const v1::GenerationEnd end = Run(job);
  EXPECT_EQ(end.code(), v1::CODE_DATA_LOSS);
  EXPECT_THAT(end.why(),
              AllOf(HasSubstr("targets: shard 0"), HasSubstr("same by rank 1"), HasSubstr("other by rank 0")));
  EXPECT_EQ(job.terminations, 1);
  EXPECT_THAT(quarantined_, ElementsAre("0/0", "0/0")) << "again once the ranks that may have read it have ended";
}

TEST_F(LaunchServerLeasesTest, ProgressIsWhatIsDoneAndTheFurthestCopyOfTheRest) {
  FakeJob job([&](auto) {
    const auto zero = Rank(0);
    const auto one = Rank(1);
    const LeaseGrant first = zero->NextShard();
    const LeaseGrant second = one->NextShard();
    zero->SayProgress(10, 100, first.lease());
    zero->Beat();  // answered, so the message before it has been read
    one->SayProgress(7, 100, second.lease());
    one->Beat();
    zero->SayDone(first, "digest", 40);
    zero->Beat();
    one->SayProgress(8, 100, second.lease());
    one->Beat();
    const auto guardian = Rank(1);
    guardian->SayKilled(v1::DEATH_CAUSE_DIED, v1::PHASE_WAIT, 0);
    guardian->Beat();
    zero->SayProgress(0, 100);
    zero->SayResult(Code::kOk);
    return ExitInfo{};
  });
  EXPECT_EQ(Run(job).step(), 48u) << "the step reached is what the stage counts";
  std::vector<std::uint64_t> done;
  for (const v1::Progress& seen : seen_) done.push_back(seen.done());
  EXPECT_THAT(done, ElementsAre(10, 17, 47, 48, 40)) << "a death takes back unfinished shards";
  EXPECT_EQ(seen_[0].total(), 100u);
}

TEST_F(LaunchServerLeasesTest, TokensAndValuesAreSumsOverTheRanks) {
  FakeJob job([&](auto) {
    const auto zero = Rank(0);
    const auto one = Rank(1);
    for (const auto& [rank, documents] : {std::pair(zero.get(), 3), std::pair(one.get(), 4)}) {
      FakeRank::Envelope said;
      said.mutable_progress()->set_lease(rank->NextShard().lease());
      said.mutable_progress()->set_tokens(100);
      (*said.mutable_progress()->mutable_values())["documents"] = documents;
      rank->Say(said);
      rank->Beat();
    }
    zero->SayResult(Code::kOk);
    return ExitInfo{};
  });
  EXPECT_EQ(Run(job).code(), v1::CODE_OK);
  ASSERT_EQ(seen_.size(), 2u);
  EXPECT_EQ(seen_[1].tokens(), 200u);
  EXPECT_EQ(seen_[1].values().at("documents"), 7);
}

TEST_F(LaunchServerLeasesTest, ADeathInALaterRoundComesAfterAStepGained) {
  Bind({}, Clock::System(), {{.shards = 1}, {.shard = "part", .shards = 2}});
  FakeJob job([&](auto) {
    const auto two = Rank(2);
    for (int done = 0; done < 2; ++done) two->SayDone(Await(*two), "same", done == 0 ? 40 : 0);
    two->SayProgress(0, 40);
    two->Beat();
    Rank(1)->SayKilled(v1::DEATH_CAUSE_DIED, v1::PHASE_WAIT, 0);
    while (!Rank(1)->Beat().has_fenced()) continue;
    EXPECT_EQ(DoAll(*two).answer(), kCommit);
    two->SayResult(Code::kOk);
    return ExitInfo{};
  });
  EXPECT_EQ(Run(job).code(), v1::CODE_OK);
  ASSERT_EQ(ends_.size(), 1u);
  EXPECT_EQ(ends_[0].step(), 41u) << "the units of the first round and the part of the second";
}

}  // namespace
}  // namespace still::coordinator
