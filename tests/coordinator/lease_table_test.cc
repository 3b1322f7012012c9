#include "coordinator/agent/lease_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "common/random.h"

namespace still::coordinator {
namespace {

TEST(LeaseTableTest, EveryShardIsGrantedOnceWhoeverAsks) {
  LeaseTable table(100);
  KeyedRandom random(1);
  std::map<std::string, std::uint64_t> requests;
  std::set<std::uint32_t> granted;
  while (const auto shard = [&] {
    const std::string peer = std::to_string(random.NextBelow(7));
    return table.Grant(peer, ++requests[peer]);
  }()) {
    EXPECT_TRUE(granted.insert(*shard).second) << "shard " << *shard << " was granted twice";
  }
  EXPECT_EQ(granted.size(), 100u);
  EXPECT_EQ(*granted.rbegin(), 99u);
}

TEST(LeaseTableTest, RepeatedRequestGetsTheSameAnswer) {
  LeaseTable table(2);
  EXPECT_EQ(table.Grant("a", 1), 0u);
  EXPECT_EQ(table.Grant("b", 1), 1u);
  EXPECT_EQ(table.Grant("a", 1), 0u);
  EXPECT_EQ(table.Grant("a", 2), std::nullopt);
  EXPECT_EQ(table.Grant("a", 2), std::nullopt);
  EXPECT_EQ(table.granted(), 2u);
}

TEST(LeaseTableTest, DoneCountsEachShardOnce) {
  LeaseTable table(2);
  table.Grant("a", 1);
  EXPECT_TRUE(table.MarkDone(0, "digest").ok());
  EXPECT_TRUE(table.MarkDone(0, "digest").ok());
  EXPECT_EQ(table.done(), 1u);
}

TEST(LeaseTableTest, TwoResultsOfOneShardAreDataLoss) {
  LeaseTable table(2);
  table.Grant("a", 1);
  ASSERT_TRUE(table.MarkDone(0, "one").ok());
  const Status other = table.MarkDone(0, "two");
  EXPECT_EQ(other.code(), Code::kDataLoss);
  EXPECT_THAT(other.message(), ::testing::HasSubstr("shard 0"));
}

TEST(LeaseTableTest, ShardNobodyHoldsCannotBeDone) {
  LeaseTable table(2);
  table.Grant("a", 1);
  EXPECT_EQ(table.MarkDone(1, "digest").code(), Code::kInvalidArgument);
  EXPECT_EQ(table.MarkDone(7, "digest").code(), Code::kInvalidArgument);
  EXPECT_EQ(table.MarkDone(0, "").code(), Code::kInvalidArgument);
  EXPECT_EQ(table.done(), 0u);
}

}  // namespace
}  // namespace still::coordinator
