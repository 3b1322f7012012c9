#include "coordinator/launch/checkpoint_collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/checkpoints.h"
#include "tests/testing/status_matchers.h"

namespace still::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::InfoOf;
using testing::StatusIs;

// Returns a share of a checkpoint of three parts.
v1::PartsWritten ShareOf(std::vector<std::size_t> parts, std::uint32_t ranks,
                         const v1::CheckpointInfo& info = InfoOf(40)) {
  v1::PartsWritten share;
  *share.mutable_info() = info;
  share.set_total_parts(3);
  share.set_ranks(ranks);
  share.set_state_digest("state");
  for (const std::size_t part : parts) *share.add_parts() = testing::PartOf(part, 10 + part, "digest");
  return share;
}

class CheckpointCollectorTest : public ::testing::Test {
 protected:
  bool Completes(std::uint32_t rank, const v1::PartsWritten& share) {
    const auto manifest = collector_.Add(rank, share);
    EXPECT_OK(manifest);
    return manifest.ok() && manifest->has_value();
  }
  CheckpointCollector collector_;
};

TEST_F(CheckpointCollectorTest, ManifestComesWithTheLastShareAndItsPartsInOrder) {
  EXPECT_FALSE(Completes(2, ShareOf({2}, 3)));
  EXPECT_FALSE(Completes(0, ShareOf({0}, 3)));
  ASSERT_OK_AND_ASSIGN(const auto manifest, collector_.Add(1, ShareOf({1}, 3)));
  ASSERT_TRUE(manifest.has_value());
  const auto part = [](std::size_t index) { return testing::PartOf(index, 10 + index, "digest"); };
  EXPECT_THAT(*manifest, testing::EqualsMessage(testing::ManifestOf(InfoOf(40), {part(0), part(1), part(2)})));
}

TEST_F(CheckpointCollectorTest, ARankWithoutAPartIsWaitedForAsWell) {
  EXPECT_FALSE(Completes(0, ShareOf({0, 1, 2}, 2)));
  EXPECT_TRUE(Completes(1, ShareOf({}, 2)));
}

TEST_F(CheckpointCollectorTest, ARepeatedShareChangesNothing) {
  EXPECT_FALSE(Completes(0, ShareOf({0, 1}, 2)));
  EXPECT_FALSE(Completes(0, ShareOf({0, 1}, 2)));
  EXPECT_TRUE(Completes(1, ShareOf({2}, 2)));
}

TEST_F(CheckpointCollectorTest, GenerationsOfAStepAreNotMixed) {
  EXPECT_FALSE(Completes(0, ShareOf({0, 1}, 2, InfoOf(40, 1))));
  EXPECT_FALSE(Completes(1, ShareOf({2}, 2, InfoOf(40, 2))));
  EXPECT_TRUE(Completes(0, ShareOf({0, 1}, 2, InfoOf(40, 2))));
}

TEST_F(CheckpointCollectorTest, ACompleteCheckpointDropsOlderOnes) {
  EXPECT_FALSE(Completes(0, ShareOf({0, 1}, 2, InfoOf(40))));
  EXPECT_TRUE(Completes(0, ShareOf({0, 1, 2}, 1, InfoOf(50))));
  EXPECT_FALSE(Completes(1, ShareOf({2}, 2, InfoOf(40)))) << "its other share was dropped";
}

TEST_F(CheckpointCollectorTest, OnlyTheNewestIncompleteOnesAreKept) {
  for (std::uint64_t step = 1; step <= CheckpointCollector::kPending + 1; ++step)
    EXPECT_FALSE(Completes(0, ShareOf({0, 1}, 2, InfoOf(step))));
  EXPECT_FALSE(Completes(1, ShareOf({2}, 2, InfoOf(1))));
  EXPECT_TRUE(Completes(1, ShareOf({2}, 2, InfoOf(2))));
}

TEST_F(CheckpointCollectorTest, DifferentStatesAreDataLossAndNameTheRanks) {
  EXPECT_FALSE(Completes(0, ShareOf({0}, 3)));
  EXPECT_FALSE(Completes(1, ShareOf({1}, 3)));
  v1::PartsWritten odd = ShareOf({2}, 3);
  odd.set_state_digest("other");
  EXPECT_THAT(collector_.Add(2, odd),
              StatusIs(Code::kDataLoss,
                       AllOf(HasSubstr("step 40"), HasSubstr("other on rank 2"), HasSubstr("state on ranks 0, 1"))));
}

TEST_F(CheckpointCollectorTest, DifferentDescriptionsAreDifferentStates) {
  EXPECT_FALSE(Completes(0, ShareOf({0, 1}, 2)));
  v1::CheckpointInfo other = InfoOf(40);
  other.set_skipped_steps(1);
  EXPECT_THAT(collector_.Add(1, ShareOf({2}, 2, other)), StatusIs(Code::kDataLoss, HasSubstr("skipped_steps: 1")));
}

TEST_F(CheckpointCollectorTest, OnePartWrittenTwiceDifferentlyIsDataLoss) {
  EXPECT_FALSE(Completes(0, ShareOf({0, 1}, 2)));
  v1::PartsWritten share = ShareOf({1, 2}, 2);
  share.mutable_parts(0)->set_sha256("flipped");
  EXPECT_THAT(collector_.Add(1, share),
              StatusIs(Code::kDataLoss, AllOf(HasSubstr("ranks 0 and 1"), HasSubstr("part-00001.safetensors"))));
}

TEST_F(CheckpointCollectorTest, APartThatNoRankWroteIsAnInternalError) {
  EXPECT_FALSE(Completes(0, ShareOf({0}, 2)));
  EXPECT_THAT(collector_.Add(1, ShareOf({2}, 2)),
              StatusIs(Code::kInternal, HasSubstr("none of 2 ranks wrote part-00001.safetensors")));
}

TEST_F(CheckpointCollectorTest, AShareThatNoWorkerWritesIsRefused) {
  v1::PartsWritten share = ShareOf({0}, 0);
  EXPECT_THAT(collector_.Add(4, share), StatusIs(Code::kInternal, HasSubstr("rank 4")));
  share.set_ranks(2);
  share.set_total_parts(2'000'000'000);
  EXPECT_THAT(collector_.Add(4, share), StatusIs(Code::kInternal));
  share.set_total_parts(3);
  share.clear_info();
  EXPECT_THAT(collector_.Add(4, share), StatusIs(Code::kInternal, HasSubstr("rank 4")));
}

}  // namespace
}  // namespace still::coordinator
