#include "coordinator/launch/checkpoint_collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/proto/control.pb.h"
#include "common/storage/checkpoint_message.h"
#include "tests/testing/status_matchers.h"

namespace still::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::StatusIs;

CheckpointInfo InfoOf(std::uint64_t step, std::uint64_t generation = 1) {
  return {.step = step, .seed = 5, .generation = generation, .identity = "abc"};
}

// Returns a share of a checkpoint of three parts.
WrittenShare ShareOf(std::uint32_t rank, std::vector<std::size_t> parts, std::uint32_t ranks,
                     const CheckpointInfo& info = InfoOf(40)) {
  WrittenShare share{.rank = rank, .info = info, .total_parts = 3, .ranks = ranks, .state_digest = "state"};
  for (const std::size_t part : parts) share.parts.push_back({PartFile(part), 10 + part, "digest"});
  return share;
}

class CheckpointCollectorTest : public ::testing::Test {
 protected:
  bool Completes(const WrittenShare& share) {
    const auto manifest = collector_.Add(share);
    EXPECT_OK(manifest);
    return manifest.ok() && manifest->has_value();
  }
  CheckpointCollector collector_;
};

TEST_F(CheckpointCollectorTest, ManifestComesWithTheLastShareAndItsPartsInOrder) {
  EXPECT_FALSE(Completes(ShareOf(2, {2}, 3)));
  EXPECT_FALSE(Completes(ShareOf(0, {0}, 3)));
  ASSERT_OK_AND_ASSIGN(const auto manifest, collector_.Add(ShareOf(1, {1}, 3)));
  ASSERT_TRUE(manifest.has_value());
  EXPECT_EQ(manifest->info, InfoOf(40));
  ASSERT_EQ(manifest->parts.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(manifest->parts[i].file, PartFile(i));
}

TEST_F(CheckpointCollectorTest, ARankWithoutAPartIsWaitedForAsWell) {
  EXPECT_FALSE(Completes(ShareOf(0, {0, 1, 2}, 2)));
  EXPECT_TRUE(Completes(ShareOf(1, {}, 2)));
}

TEST_F(CheckpointCollectorTest, ARepeatedShareChangesNothing) {
  EXPECT_FALSE(Completes(ShareOf(0, {0, 1}, 2)));
  EXPECT_FALSE(Completes(ShareOf(0, {0, 1}, 2)));
  EXPECT_TRUE(Completes(ShareOf(1, {2}, 2)));
}

TEST_F(CheckpointCollectorTest, GenerationsOfAStepAreNotMixed) {
  EXPECT_FALSE(Completes(ShareOf(0, {0, 1}, 2, InfoOf(40, 1))));
  EXPECT_FALSE(Completes(ShareOf(1, {2}, 2, InfoOf(40, 2))));
  EXPECT_TRUE(Completes(ShareOf(0, {0, 1}, 2, InfoOf(40, 2))));
}

TEST_F(CheckpointCollectorTest, ACompleteCheckpointDropsOlderOnes) {
  EXPECT_FALSE(Completes(ShareOf(0, {0, 1}, 2, InfoOf(40))));
  EXPECT_TRUE(Completes(ShareOf(0, {0, 1, 2}, 1, InfoOf(50))));
  EXPECT_FALSE(Completes(ShareOf(1, {2}, 2, InfoOf(40)))) << "its other share was dropped";
}

TEST_F(CheckpointCollectorTest, OnlyTheNewestIncompleteOnesAreKept) {
  for (std::uint64_t step = 1; step <= CheckpointCollector::kPending + 1; ++step)
    EXPECT_FALSE(Completes(ShareOf(0, {0, 1}, 2, InfoOf(step))));
  EXPECT_FALSE(Completes(ShareOf(1, {2}, 2, InfoOf(1))));
  EXPECT_TRUE(Completes(ShareOf(1, {2}, 2, InfoOf(2))));
}

TEST_F(CheckpointCollectorTest, DifferentStatesAreDataLossAndNameTheRanks) {
  EXPECT_FALSE(Completes(ShareOf(0, {0}, 3)));
  EXPECT_FALSE(Completes(ShareOf(1, {1}, 3)));
  WrittenShare odd = ShareOf(2, {2}, 3);
  odd.state_digest = "other";
  EXPECT_THAT(collector_.Add(odd), StatusIs(Code::kDataLoss, AllOf(HasSubstr("step 40"), HasSubstr("other on rank 2"),
                                                                   HasSubstr("state on ranks 0, 1"))));
}

TEST_F(CheckpointCollectorTest, DifferentDescriptionsAreDifferentStates) {
  EXPECT_FALSE(Completes(ShareOf(0, {0, 1}, 2)));
  CheckpointInfo other = InfoOf(40);
  other.skipped_steps = 1;
  EXPECT_THAT(collector_.Add(ShareOf(1, {2}, 2, other)), StatusIs(Code::kDataLoss, HasSubstr("\"skipped_steps\":1")));
}

TEST_F(CheckpointCollectorTest, OnePartWrittenTwiceDifferentlyIsDataLoss) {
  EXPECT_FALSE(Completes(ShareOf(0, {0, 1}, 2)));
  WrittenShare share = ShareOf(1, {1, 2}, 2);
  share.parts[0].sha256 = "flipped";
  EXPECT_THAT(collector_.Add(share),
              StatusIs(Code::kDataLoss, AllOf(HasSubstr("ranks 0 and 1"), HasSubstr("part-00001.safetensors"))));
}

TEST_F(CheckpointCollectorTest, APartThatNoRankWroteIsAnInternalError) {
  EXPECT_FALSE(Completes(ShareOf(0, {0}, 2)));
  EXPECT_THAT(collector_.Add(ShareOf(1, {2}, 2)),
              StatusIs(Code::kInternal, HasSubstr("none of 2 ranks wrote part-00001.safetensors")));
}

TEST(ReadShareTest, ReadsWhatWorkersSend) {
  stillhouse::v1::PartsWritten message;
  *message.mutable_info() = ToMessage(InfoOf(40, 7));
  message.set_total_parts(3);
  message.set_ranks(2);
  message.set_state_digest("state");
  auto& part = *message.add_parts();
  part.set_file(PartFile(1));
  part.set_size(11);
  part.set_sha256("d");
  ASSERT_OK_AND_ASSIGN(const WrittenShare share, ReadShare(4, message));
  EXPECT_EQ(share.rank, 4u);
  EXPECT_EQ(share.info, InfoOf(40, 7));
  EXPECT_EQ(share.parts, (std::vector<CheckpointPart>{{PartFile(1), 11, "d"}}));
  EXPECT_EQ(share.ranks, 2u);

  message.set_ranks(0);
  EXPECT_THAT(ReadShare(4, message), StatusIs(Code::kInternal, HasSubstr("rank 4")));
  message.set_ranks(2);
  message.set_total_parts(2'000'000'000);
  EXPECT_THAT(ReadShare(4, message), StatusIs(Code::kInternal));
  message.set_total_parts(3);
  message.clear_info();
  EXPECT_THAT(ReadShare(4, message), StatusIs(Code::kInternal, HasSubstr("rank 4")));
}

}  // namespace
}  // namespace still::coordinator
