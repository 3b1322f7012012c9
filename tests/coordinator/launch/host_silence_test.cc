#include "coordinator/launch/host_silence.h"

#include "common/death_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace still::coordinator {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;

const std::set<std::uint32_t> kAll = {0, 1, 2, 3};

// By the placement, host a has ranks 0 and 1, and host b has ranks 2 and 3.
class HostSilenceTest : public ::testing::Test {
 protected:
  static Clock::TimePoint At(milliseconds since_start) { return Clock::TimePoint(std::chrono::hours(1) + since_start); }
  void Hear(std::initializer_list<std::uint32_t> ranks, milliseconds at) {
    for (const std::uint32_t rank : ranks) silence_.OnHeartbeat(rank, rank < 2 ? "a" : "b", At(at));
  }

  HostSilence silence_{{}, {{"a", 2}, {"b", 2}}};
};

TEST_F(HostSilenceTest, AHostIsLostWhenAllOfItsRanksAreSilentForTheLimit) {
  Hear({0, 1, 2, 3}, seconds(0));
  Hear({0, 1}, seconds(15));
  EXPECT_FALSE(silence_.Lost(kAll, At(milliseconds(14'999))).has_value());
  const auto lost = silence_.Lost(kAll, At(seconds(15)));
  ASSERT_TRUE(lost.has_value());
  EXPECT_EQ(lost->host, "b");
  EXPECT_THAT(lost->ranks, ElementsAre(2, 3));
  EXPECT_EQ(DeathText(lost->AsDeath()), "host b was lost: its ranks 2 and 3 have been silent for 15.0 s");
}

TEST_F(HostSilenceTest, OneRankThatIsHeardKeepsItsHost) {
  Hear({0, 1, 2, 3}, seconds(0));
  Hear({0, 3}, seconds(30));
  EXPECT_FALSE(silence_.Lost(kAll, At(seconds(30))).has_value());
}

TEST_F(HostSilenceTest, WhenAllAreSilentNoHostIsLost) {
  Hear({0, 1, 2, 3}, seconds(0));
  Hear({0}, seconds(14));
  EXPECT_FALSE(silence_.Lost(kAll, At(seconds(17))).has_value());
}

TEST_F(HostSilenceTest, WhenAllStaySilentTheLaunchIsLost) {
  EXPECT_FALSE(silence_.EverybodySilent(kAll, At(std::chrono::hours(1)))) << "no rank was heard yet";
  Hear({0, 1, 2, 3}, seconds(0));
  Hear({2}, seconds(10));
  EXPECT_FALSE(silence_.EverybodySilent(kAll, At(seconds(69))));
  EXPECT_TRUE(silence_.EverybodySilent(kAll, At(seconds(70))));
  EXPECT_TRUE(silence_.EverybodySilent({0, 1}, At(seconds(60)))) << "ranks that were left behind do not count";
}

TEST_F(HostSilenceTest, SilenceDuringAPauseOfThisProcessDoesNotCount) {
  Hear({0, 1, 2, 3}, seconds(0));
  EXPECT_FALSE(silence_.Lost(kAll, At(seconds(0))).has_value());
  Hear({0}, seconds(60));  // the first of many heartbeats that waited
  EXPECT_FALSE(silence_.Lost(kAll, At(seconds(60))).has_value());
  for (milliseconds at = seconds(60); at < seconds(75); at += milliseconds(500)) {
    Hear({0}, at);
    EXPECT_FALSE(silence_.Lost(kAll, At(at)).has_value());
  }
  EXPECT_EQ(silence_.Lost(kAll, At(seconds(75)))->host, "b");
}

TEST_F(HostSilenceTest, RanksThatTheOthersWentOnWithoutAreNotWaitedFor) {
  Hear({0, 1, 2, 3}, seconds(0));
  Hear({0, 1}, seconds(15));
  EXPECT_FALSE(silence_.Lost({0, 1}, At(seconds(15))).has_value());
  EXPECT_EQ(DeathText(silence_.Lost({0, 1, 3}, At(seconds(15)))->AsDeath()),
            "host b was lost: its rank 3 has been silent for 15.0 s");
}

TEST_F(HostSilenceTest, AHostNeverHeardIsSilentSinceTheFirstHeartbeatOfAnyRank) {
  Hear({0, 1}, seconds(100));
  Hear({0, 1}, seconds(115));
  EXPECT_EQ(silence_.Lost(kAll, At(seconds(115)))->host, "b");
}

TEST_F(HostSilenceTest, BeforeAnyRankWasHeardNoHostIsLost) {
  EXPECT_FALSE(silence_.Lost(kAll, At(std::chrono::hours(1))).has_value());
}

TEST_F(HostSilenceTest, ALaunchOnOneHostLosesNone) {
  HostSilence silence({}, {});
  silence.OnHeartbeat(0, "a", At(seconds(0)));
  silence.OnHeartbeat(1, "a", At(seconds(20)));
  EXPECT_FALSE(silence.Lost({0, 1}, At(seconds(20))).has_value());
}

TEST_F(HostSilenceTest, HeartbeatsOverrideThePlacement) {
  silence_.OnHeartbeat(0, "b", At(seconds(0)));
  EXPECT_EQ(silence_.HostOf(0), "b");
  EXPECT_EQ(silence_.HostOf(1), "a") << "as the placement says";
  EXPECT_EQ(silence_.HostOf(9), "");
}

TEST_F(HostSilenceTest, FullHostNamesMatchThePlacement) {
  HostSilence silence({}, {{"node1", 1}, {"node2.cluster.lan", 1}});
  silence.OnHeartbeat(0, "node1.cluster.lan", At(seconds(0)));
  silence.OnHeartbeat(1, "node2", At(seconds(0)));
  EXPECT_EQ(silence.HostOf(0), "node1");
  EXPECT_EQ(silence.HostOf(1), "node2.cluster.lan");
}

TEST_F(HostSilenceTest, ThisMachineMayBeCalledLocalhost) {
  ::setenv("STILL_HOST", "me", 1);
  HostSilence silence({}, {{"localhost", 1}, {"b", 1}});
  silence.OnHeartbeat(0, "me", At(seconds(0)));
  ::unsetenv("STILL_HOST");
  EXPECT_EQ(silence.HostOf(0), "localhost");
}

TEST_F(HostSilenceTest, AHostThatMpirunLostIsNamedWithItsRanks) {
  Hear({0, 1, 2, 3}, seconds(0));
  EXPECT_EQ(DeathText(silence_.FoundLost("b")->AsDeath()), "host b was lost: mpirun lost contact with ranks 2 and 3");
  EXPECT_FALSE(silence_.FoundLost("c").has_value()) << "no rank of this launch is there";
}

TEST_F(HostSilenceTest, AHostWhoseGuardiansReportDeathsIsNotLost) {
  Hear({0, 1, 2, 3}, seconds(0));
  silence_.OnDeath(3, At(seconds(1)));
  EXPECT_FALSE(silence_.FoundLost("b").has_value());
}

}  // namespace
}  // namespace still::coordinator
