#include "coordinator/launch/lease_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/testing/status_matchers.h"

namespace still::coordinator {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::StatusIs;

class LeaseTableTest : public ::testing::Test {
 protected:
  // Sends a new request of `rank` and returns the answer.
  std::optional<Lease> Ask(std::uint32_t rank) { return table_.Grant(rank, ++requests_, now_); }
  Result<bool> Done(std::uint32_t rank, const Lease& lease, const std::string& digest = "same") {
    v1::ShardDone result;
    result.set_lease(lease.id);
    result.set_shard(lease.shard);
    result.set_digest(digest);
    result.set_units(10);
    result.set_tokens(100);
    return table_.Complete(rank, result, now_);
  }
  void Renew(std::uint32_t rank, std::uint64_t lease, std::uint64_t units) {
    v1::Progress progress;
    progress.set_lease(lease);
    progress.set_done(units);
    table_.Renew(rank, progress, now_);
  }
  void Pass(Clock::TimePoint::duration time) { now_ += time; }
  // Lets rank 0 do three shards in one second each.
  void DoThree() {
    for (int i = 0; i < 3; ++i) {
      const Lease lease = *Ask(0);
      Pass(seconds(1));
      ASSERT_OK(Done(0, lease));
    }
  }

  LeaseTable table_{5, {.patience = seconds(60), .slow_factor = 2, .slow_after = 3, .slow_floor = seconds(1)}};
  Clock::TimePoint now_{seconds(1000)};
  std::uint64_t requests_ = 0;
};

TEST_F(LeaseTableTest, EveryShardIsLeasedToOneRankAndLeasesRise) {
  for (std::uint32_t shard = 0; shard < 5; ++shard) {
    const auto lease = Ask(shard);
    ASSERT_TRUE(lease.has_value());
    EXPECT_EQ(lease->shard, shard);
    EXPECT_EQ(lease->id, shard + 1);
  }
  EXPECT_EQ(Ask(7), std::nullopt) << "no shard is free";
  EXPECT_FALSE(table_.AllDone());
}

TEST_F(LeaseTableTest, ARequestThatArrivesTwiceGetsTheSameLeaseAndAnOldOneNone) {
  const Lease lease = *table_.Grant(0, 1, now_);
  EXPECT_EQ(table_.Grant(0, 1, now_)->id, lease.id);
  const Lease next = *table_.Grant(0, 2, now_);
  EXPECT_NE(next.id, lease.id);
  EXPECT_EQ(table_.Grant(0, 1, now_), std::nullopt);
  EXPECT_EQ(table_.Grant(0, 2, now_)->id, next.id);
  ASSERT_OK(Done(0, next));
  EXPECT_EQ(table_.Grant(0, 2, now_), std::nullopt) << "its lease has ended";
}

TEST_F(LeaseTableTest, ANewRequestGivesUpTheLeaseBefore) {
  EXPECT_EQ(Ask(0)->shard, 0u);
  EXPECT_EQ(Ask(1)->shard, 1u);
  EXPECT_EQ(Ask(0)->shard, 0u) << "it is free again, and the lowest";
}

TEST_F(LeaseTableTest, ProgressRenewsALeaseAndNothingElseDoes) {
  const Lease lease = *Ask(0);
  Pass(seconds(59));
  Renew(0, lease.id, 1);
  Pass(seconds(59));
  Renew(0, lease.id, 1);  // no more than before
  Renew(1, lease.id, 9);  // another rank
  Renew(0, 99, 9);        // no such lease
  EXPECT_EQ(Ask(1)->shard, 1u) << "shard 0 is still held";
  Pass(seconds(1));
  EXPECT_EQ(Ask(2)->shard, 0u) << "the lease has expired";
  Renew(0, lease.id, 8);  // too late
  EXPECT_EQ(table_.units(), 0u);
}

TEST_F(LeaseTableTest, ALateCompletionOfAnExpiredLeaseCountsWhenItIsTheFirst) {
  const Lease late = *Ask(0);
  Pass(seconds(60));
  const Lease second = *Ask(1);
  EXPECT_EQ(second.shard, late.shard);
  EXPECT_TRUE(*Done(0, late));
  EXPECT_FALSE(*Done(1, second)) << "the shard is done already";
  EXPECT_EQ(table_.done(), 1u);
  EXPECT_EQ(table_.units(), 10u);
  EXPECT_EQ(table_.tokens(), 100u);
}

TEST_F(LeaseTableTest, ALateCompletionOfAFreeShardTakesIt) {
  const Lease late = *Ask(0);
  Pass(seconds(60));
  EXPECT_TRUE(*Done(0, late));
  EXPECT_EQ(Ask(1)->shard, 1u);
}

TEST_F(LeaseTableTest, ACompletionThatArrivesTwiceCountsOnce) {
  const Lease lease = *Ask(0);
  EXPECT_TRUE(*Done(0, lease));
  EXPECT_FALSE(*Done(0, lease));
  EXPECT_EQ(table_.done(), 1u);
}

TEST_F(LeaseTableTest, TwoResultsOfOneShardAreDataLossAndNameBothRanks) {
  const Lease late = *Ask(3);
  Pass(seconds(60));
  ASSERT_OK(Done(4, *Ask(4), "one"));
  EXPECT_THAT(Done(3, late, "two"), StatusIs(Code::kDataLoss, AllOf(HasSubstr("shard 0"), HasSubstr("one by rank 4"),
                                                                    HasSubstr("two by rank 3"))));
}

TEST_F(LeaseTableTest, AResultWithoutItsLeaseIsRefused) {
  const Lease lease = *Ask(0);
  EXPECT_THAT(Done(1, lease), StatusIs(Code::kInvalidArgument)) << "the lease is another rank's";
  EXPECT_THAT(Done(0, {.id = lease.id, .shard = 3}), StatusIs(Code::kInvalidArgument))
      << "the lease is on another shard";
  EXPECT_THAT(Done(0, {.id = 0, .shard = 0}), StatusIs(Code::kInvalidArgument));
  EXPECT_THAT(Done(0, {.id = 2, .shard = 0}), StatusIs(Code::kInvalidArgument));
  EXPECT_THAT(Done(0, lease, ""), StatusIs(Code::kInvalidArgument));
  EXPECT_EQ(table_.done(), 0u);
}

TEST_F(LeaseTableTest, ADeadRanksShardIsFreeAtOnceAndItGetsNoOther) {
  EXPECT_EQ(Ask(0)->shard, 0u);
  table_.OnDeath(0);
  EXPECT_EQ(Ask(0), std::nullopt) << "its last request arrives after the report of its death";
  EXPECT_EQ(Ask(1)->shard, 0u);
}

TEST_F(LeaseTableTest, ASlowLeaseIsDoubledOnceWhenNothingIsFreeLongestFirst) {
  const Lease slowest = *Ask(1);
  const Lease slow = *Ask(2);
  DoThree();  // the median is a second
  const auto copy = Ask(0);
  ASSERT_TRUE(copy.has_value());
  EXPECT_EQ(copy->shard, slowest.shard);
  EXPECT_EQ(copy->copy_of, 1u);
  const auto other = Ask(3);
  EXPECT_EQ(other->shard, slow.shard);
  EXPECT_EQ(Ask(4), std::nullopt) << "both have two leases";
  EXPECT_TRUE(*Done(0, *copy)) << "the first completion wins";
  EXPECT_FALSE(*Done(1, slowest));
  EXPECT_THAT(Done(2, slow, "other"), testing::IsOk()) << "it is the first completion";
  EXPECT_THAT(Done(3, *other), StatusIs(Code::kDataLoss)) << "it is compared with the first";
}

TEST_F(LeaseTableTest, NothingIsDoubledTooEarly) {
  Ask(1);
  for (int i = 0; i < 2; ++i) {
    const Lease lease = *Ask(0);
    Pass(seconds(10));
    ASSERT_OK(Done(0, lease));
  }
  const Lease held = *Ask(2);
  const Lease third = *Ask(0);
  EXPECT_EQ(Ask(3), std::nullopt) << "only two are completed";
  Pass(seconds(1));
  ASSERT_OK(Done(0, third));
  EXPECT_EQ(Ask(3)->copy_of, 1u);
  EXPECT_EQ(Ask(4), std::nullopt) << "rank 2 has held its lease for one second, and the median is ten";
  Pass(seconds(20));
  EXPECT_EQ(Ask(4)->shard, held.shard);
}

TEST_F(LeaseTableTest, ShardsThatWereFoundDoNotCountInTheMedian) {
  Ask(1);
  for (int i = 0; i < 4; ++i) {
    const Lease lease = *Ask(0);
    v1::ShardDone found;
    found.set_lease(lease.id);
    found.set_shard(lease.shard);
    found.set_digest("same");
    found.set_found(true);
    found.set_tokens(5);
    ASSERT_OK(table_.Complete(0, found, now_));
  }
  Pass(seconds(30));
  EXPECT_EQ(Ask(0), std::nullopt);
  EXPECT_EQ(table_.tokens(), 0u);
}

TEST_F(LeaseTableTest, ACopyMayDieAndTheOriginalIsDoubledAgain) {
  const Lease slow = *Ask(1);
  DoThree();
  Ask(2);  // takes the last free one
  EXPECT_EQ(Ask(3)->shard, slow.shard);
  table_.OnDeath(3);
  EXPECT_EQ(Ask(4)->shard, slow.shard);
  table_.OnDeath(1);
  table_.OnDeath(4);
  EXPECT_EQ(Ask(5)->shard, slow.shard) << "both holders are dead";
}

TEST_F(LeaseTableTest, UnitsAreThoseOfDoneShardsAndOfTheFurthestLeases) {
  const Lease first = *Ask(0);
  const Lease second = *Ask(1);
  Renew(0, first.id, 4);
  Renew(1, second.id, 3);
  EXPECT_EQ(table_.units(), 7u);
  ASSERT_OK(Done(0, first));
  EXPECT_EQ(table_.units(), 13u);
  table_.OnDeath(1);
  EXPECT_EQ(table_.units(), 10u);
}

TEST_F(LeaseTableTest, ATableWithoutShardsIsDone) { EXPECT_TRUE(LeaseTable(0).AllDone()); }

}  // namespace
}  // namespace still::coordinator
