// The evidence that a dead launch leaves: its members, its results, sightings of its ranks and its log.
#include "coordinator/launch/launch_death.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/death_text.h"
#include "common/storage/files.h"
#include "coordinator/launch/launch_log.h"
#include "coordinator/launch/membership.h"
#include "coordinator/launch/stage_results.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::StatusIs;
using Ranks = std::vector<std::uint32_t>;

// Sightings that take a phase and a step in place of a message.
class Sightings : public RankSightings {
 public:
  void Beat(std::uint32_t rank, v1::Phase phase, std::uint64_t step) {
    v1::Heartbeat heartbeat;
    heartbeat.set_phase(phase);
    heartbeat.set_step(step);
    OnHeartbeat(rank, heartbeat, Clock::TimePoint());
  }
  void Hang(std::uint32_t rank, v1::Phase phase, std::uint64_t step) {
    v1::RankKilled killed;
    killed.set_cause(v1::DEATH_CAUSE_HUNG);
    killed.set_phase(phase);
    killed.set_step(step);
    OnKilled(rank, killed);
  }
};

TEST(MembershipTest, OnlyMembersOfThisLaunchCount) {
  Membership membership(5, 3);
  EXPECT_TRUE(membership.Accepts(5, 2));
  EXPECT_FALSE(membership.Accepts(5, 3));
  EXPECT_FALSE(membership.Accepts(4, 0));
  EXPECT_FALSE(membership.shrunk());

  EXPECT_EQ(membership.LeftBehind({0, 2}), Ranks{1});
  membership.Shrink({0, 2}, 6);
  EXPECT_TRUE(membership.shrunk());
  EXPECT_EQ(membership.generation(), 6u);
  EXPECT_TRUE(membership.Accepts(5, 2)) << "ranks name the generation they were launched in";
  EXPECT_FALSE(membership.Accepts(6, 2));
  EXPECT_FALSE(membership.Accepts(5, 1));
}

TEST(MembershipTest, SurvivorsAreMembersAndOneOfThemAsks) {
  Membership membership(5, 3);
  EXPECT_OK(membership.CheckSurvivors(0, {0, 2}));
  EXPECT_OK(membership.CheckSurvivors(1, {0, 1, 2}));
  EXPECT_THAT(membership.CheckSurvivors(1, {0, 2}), StatusIs(Code::kInvalidArgument, HasSubstr("rank 1")));
  EXPECT_THAT(membership.CheckSurvivors(0, {0, 3}), StatusIs(Code::kInvalidArgument, HasSubstr("0, 3")));
  EXPECT_FALSE(membership.CheckSurvivors(0, {}).ok());
  membership.Shrink({0, 2}, 6);
  EXPECT_FALSE(membership.CheckSurvivors(0, {0, 1}).ok());
}

TEST(StageResultsTest, FailureThatWouldHappenAgainCountsMost) {
  StageResults results(v1::STAGE_TRAIN, false);
  results.OnResult(0, Error(Code::kUnavailable, "a peer is gone"));
  EXPECT_TRUE(results.OutcomeKnown({0, 1}));
  EXPECT_FALSE(results.Verdict().has_value());
  results.OnResult(1, Error(Code::kDataLoss, "flipped"));
  EXPECT_THAT(*results.Verdict(), StatusIs(Code::kDataLoss, "train, rank 1: flipped"));
}

TEST(StageResultsTest, DataLossIsNotHiddenByFailuresThatFollowFromIt) {
  StageResults results(v1::STAGE_CORPUS, true);
  results.OnResult(2, Error(Code::kNotFound, "cannot open the plan"));
  results.RecordFailure(Error(Code::kDataLoss, "by rank 0, by rank 1"));
  results.OnResult(1, Error(Code::kNotFound, "cannot open the plan"));
  results.RecordFailure(Error(Code::kDataLoss, "a later one"));
  EXPECT_THAT(*results.Verdict(), StatusIs(Code::kDataLoss, "by rank 0, by rank 1"));
}

TEST(StageResultsTest, SuccessOutweighsWhatHappensAfterIt) {
  StageResults results(v1::STAGE_TRAIN, true);
  results.OnResult(2, Ok());
  results.OnResult(1, Error(Code::kUnavailable, "a peer is gone"));
  results.RecordFailure(Error(Code::kCancelled, "interrupted"));
  EXPECT_OK(*results.Verdict());
}

TEST(StageResultsTest, WithSurvivorsTheLastOneToGiveUpEndsIt) {
  StageResults results(v1::STAGE_TRAIN, true);
  results.OnResult(1, Error(Code::kUnavailable, "a peer is gone"));
  EXPECT_FALSE(results.OutcomeKnown({0, 1, 2}));
  EXPECT_TRUE(results.OutcomeKnown({1})) << "the others were left behind";
  results.OnResult(0, Error(Code::kAborted, "refused"));
  results.OnResult(2, Error(Code::kUnavailable, "a peer is gone"));
  EXPECT_TRUE(results.OutcomeKnown({0, 1, 2}));
  EXPECT_FALSE(results.Verdict().has_value());
}

TEST(StageResultsTest, UnknownCodeIsAnInternalOne) {
  StageResults results(v1::STAGE_TRAIN, false);
  results.OnResult(0, Status(static_cast<Code>(99), "from the future"));
  EXPECT_THAT(*results.Verdict(), StatusIs(Code::kInternal));
}

TEST(RankSightingsTest, ADeathHasThePositionOfTheLastHeartbeat) {
  Sightings seen;
  const auto text = [&](Ranks dead, std::optional<std::uint64_t> step) { return DeathText(seen.DeathOf(dead, step)); };
  EXPECT_EQ(text({}, std::nullopt), "the workers died");
  EXPECT_EQ(text({1}, 17), "rank 1 died in step 17") << "no heartbeat came";
  seen.Beat(1, v1::PHASE_COMPUTE, 17);
  seen.Beat(2, v1::PHASE_RESTORE, 0);
  EXPECT_EQ(text({1}, 17), "rank 1 died in compute of step 17");
  EXPECT_EQ(text({1}, 18), "rank 1 died in step 18") << "the heartbeat is older";
  EXPECT_EQ(text({2}, std::nullopt), "rank 2 died in restore");
  EXPECT_EQ(text({0, 1, 2}, 17), "ranks 0, 1 and 2 died in step 17");
  seen.Hang(3, v1::PHASE_REDUCE, 5);
  EXPECT_EQ(text({3}, 5), "rank 3 hung in reduce of step 5");
  seen.Beat(3, v1::PHASE_VOTE, 6);
  EXPECT_EQ(text({3}, 5), "rank 3 hung in reduce of step 5") << "a guardian's last words are the last";
  EXPECT_EQ(seen.first_killed(), 3u);
  EXPECT_EQ(seen.step(), 17u);
  EXPECT_EQ(seen.PositionsText(), "rank 1 in compute of step 17, rank 2 in restore, rank 3 in reduce of step 5");
  seen.Forget(3);
  EXPECT_EQ(seen.first_killed(), std::nullopt);
}

TEST(LaunchLogTest, LastLinesAreIndented) {
  EXPECT_EQ(LastLines("one\ntwo\nthree\n\n", 2), "\n    two\n    three");
  EXPECT_EQ(LastLines("one", 5), "\n    one");
  EXPECT_EQ(LastLines("", 5), "");
}

TEST(LaunchLogTest, MpirunNamesTheRankWhoseDeathItNoticed) {
  EXPECT_EQ(RankThatMpirunNoticed("x\nprterun noticed that process rank 12 with PID 7 on node a exited on\nsignal 9"),
            12u);
  EXPECT_EQ(RankThatMpirunNoticed("mpirun noticed that process rank 0 with PID 7 on node a exited"), 0u);
  EXPECT_EQ(RankThatMpirunNoticed("mpirun noticed that process rank x"), std::nullopt);
  EXPECT_EQ(RankThatMpirunNoticed("all is well"), std::nullopt);
}

const char kLostDaemon[] =
    "PRTE has lost communication with a remote daemon.\n\n"
    "  HNP daemon   : [prterun-head-392@0,0] on node head\n"
    "  Remote daemon: [prterun-head-392@0,2] on node b\n\n"
    "This is usually due to either a failure of the TCP network\n";

std::string NoDaemon(int status) {
  return fmt::format(
      "A daemon failed to report back after being spawned. This could\nbe due to several factors, including:\n\n"
      "  Local host:    head\n  Remote host:   b\n  Daemon exit status: {}\n\n",
      status);
}

TEST(LaunchLogTest, MpirunNamesTheHostItLost) {
  EXPECT_EQ(HostThatMpirunLost(kLostDaemon), "b");
  EXPECT_EQ(HostThatMpirunLost(NoDaemon(255)), "b");
  EXPECT_EQ(HostThatMpirunLost("ORTE has lost communication with a remote daemon.\n\n  HNP daemon   : [[47194,0],0] on "
                               "node head\n  Remote daemon: [[47194,0],2] on node c\n"),
            "c")
      << "as Open MPI 4 says it";
  EXPECT_EQ(HostThatMpirunLost("ssh: connect to host b port 22: Connection timed out\n---\n"
                               "ORTE was unable to reliably start one or more daemons.\n"),
            "b");
  EXPECT_EQ(HostThatMpirunLost("ssh: connect to host b port 22: Connection timed out\n"), std::nullopt);
  EXPECT_EQ(HostThatMpirunLost(NoDaemon(213)), std::nullopt) << "its daemon failed there, so the host was reached";
  EXPECT_EQ(HostThatMpirunLost("PRTE has lost communication with a remote daemon."), std::nullopt);
  EXPECT_EQ(HostThatMpirunLost("all is well"), std::nullopt);
}

class LaunchDeathTest : public ::testing::Test {
 protected:
  LaunchDeath Explain(const std::string& log, std::set<std::uint32_t> members = {0, 1}) {
    EXPECT_OK(WriteFileAtomically(log_, "earlier\n" + log));
    return ExplainDeath({.stage = v1::STAGE_TRAIN,
                         .log_path = log_,
                         .log_begin = 8,
                         .mpirun = {.code = 137},
                         .sightings = sightings_,
                         .members = members,
                         .lost_host = lost_host_,
                         .silence = silence_,
                         .gave_up = gave_up_});
  }

  testing::TempDirectory directory_;
  const std::string log_ = directory_ / "train.log";
  Sightings sightings_;
  std::optional<LostHost> lost_host_;
  HostSilence silence_{{}, {{"a", 1}, {"b", 1}}};
  std::map<std::uint32_t, Status> gave_up_;
};

const char kNoticed[] = "mpirun noticed that process rank 1 with PID 7 on node a exited on\nsignal 9 (Killed).\n";

TEST_F(LaunchDeathTest, CulpritIsTheOneThatMpirunNoticed) {
  sightings_.Beat(0, v1::PHASE_VOTE, 4);
  sightings_.Beat(1, v1::PHASE_COMPUTE, 4);
  const LaunchDeath death = Explain(kNoticed);
  EXPECT_THAT(death.death.ranks(), ElementsAre(1u));
  EXPECT_EQ(death.death.cause(), v1::DEATH_CAUSE_DIED);
  EXPECT_EQ(death.death.phase(), v1::PHASE_COMPUTE);
  EXPECT_THAT(death.why, AllOf(HasSubstr("137"), HasSubstr(log_),
                               HasSubstr("rank 0 in vote of step 4, rank 1 in compute of step 4"),
                               HasSubstr("\n    signal 9 (Killed)."), Not(HasSubstr("earlier"))));
}

TEST_F(LaunchDeathTest, ARankThatItsGuardianKilledIsTheCulprit) {
  sightings_.Hang(0, v1::PHASE_COMPUTE, 4);
  const LaunchDeath death = Explain(kNoticed);
  EXPECT_THAT(death.death.ranks(), ElementsAre(0u));
  EXPECT_EQ(death.death.cause(), v1::DEATH_CAUSE_HUNG);
}

TEST_F(LaunchDeathTest, AnMpirunThatEndedAtItsStartIsNotCalledADeathOfRanks) {
  const LaunchDeath death = Explain("The listener thread failed to start.\n");
  EXPECT_EQ(death.death.cause(), v1::DEATH_CAUSE_NOT_STARTED);
  EXPECT_THAT(death.death.detail(), HasSubstr("137"));
}

TEST_F(LaunchDeathTest, RankThatWasSurvivedIsNotTheCulprit) {
  sightings_.Beat(0, v1::PHASE_VOTE, 4);
  const LaunchDeath death = Explain(kNoticed, {0});
  EXPECT_THAT(death.death.ranks(), IsEmpty());
  EXPECT_EQ(death.death.cause(), v1::DEATH_CAUSE_DIED);
}

TEST_F(LaunchDeathTest, HostThatMpirunLostIsAtFaultUnlessItsGuardiansLived) {
  const LaunchDeath death = Explain(kLostDaemon);
  EXPECT_EQ(death.death.cause(), v1::DEATH_CAUSE_HOST_LOST);
  EXPECT_EQ(death.death.host(), "b");
  EXPECT_THAT(death.death.ranks(), ElementsAre(1u));
  EXPECT_FALSE(death.death.has_silent_seconds());
  EXPECT_EQ(Explain(kLostDaemon, {0}).death.host(), "b") << "the others went on without it a moment before";
  silence_.OnDeath(1, Clock::TimePoint());
  EXPECT_EQ(Explain(kLostDaemon).death.host(), "");
}

TEST_F(LaunchDeathTest, HostWhoseSilenceEndedTheLaunchIsAtFault) {
  lost_host_ = LostHost{.host = "b", .ranks = {1}, .silent_seconds = 15};
  const LaunchDeath death = Explain(kNoticed);
  EXPECT_EQ(death.death.host(), "b");
  EXPECT_EQ(death.death.silent_seconds(), 15);
}

TEST_F(LaunchDeathTest, WithoutACulpritTheRanksThatMissedOneSpeak) {
  gave_up_.emplace(1, Error(Code::kUnavailable, "train, rank 1: all-reduce failed\nin detail"));
  const LaunchDeath death = Explain("");
  EXPECT_EQ(death.death.cause(), v1::DEATH_CAUSE_PEER_LOST);
  EXPECT_EQ(death.death.detail(), "train, rank 1: all-reduce failed");
  EXPECT_THAT(death.why, HasSubstr("\n  train, rank 1: all-reduce failed\nin detail"));
}

}  // namespace
}  // namespace still::coordinator
