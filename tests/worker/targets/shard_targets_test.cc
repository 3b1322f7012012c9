#include "worker/targets/shard_targets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "common/faults/fault_point.h"
#include "common/storage/files.h"
#include "tests/testing/memory_corpus.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still::worker {
namespace {

using shards::MaskedSequence;
using shards::TargetRecord;
using ::still::testing::StatusIs;

constexpr std::uint32_t kVariants = 2;
constexpr std::uint32_t kLengths[] = {60, 5, 128, 128, 17, 90};  // repeated
constexpr std::uint64_t kBefore = 3, kSequences = 500;           // with two variants, more than one window

// Returns a corpus with one shard before the one under test, so that this does not start at sequence 0.
testing::MemoryCorpus TwoShards() {
  std::vector<std::vector<shards::TokenId>> text;
  for (std::uint64_t i = 0; i < kBefore + kSequences; ++i) {
    std::vector<shards::TokenId>& tokens = text.emplace_back();
    for (std::uint32_t t = 0; t < kLengths[i % std::size(kLengths)]; ++t)
      tokens.push_back(static_cast<shards::TokenId>(5 + (i * 31 + t) % 90));
  }
  return testing::MemoryCorpus(std::move(text), {0, kBefore});
}

// Says of each position what stood there: a record tells which sequence it belongs to.
class EchoTeacher final : public TargetTeacher {
 public:
  const shards::TargetSpec& spec() const override { return spec_; }
  std::vector<TargetRecord> Run(const std::vector<const MaskedSequence*>& batch) const override {
    std::vector<TargetRecord> records;
    for (const MaskedSequence* sequence : batch) {
      TargetRecord record{.masked_hash = sequence->hash,
                          .positions = static_cast<std::uint32_t>(sequence->input.size())};
      record.hidden.assign(sequence->input.begin(), sequence->input.end());
      records.push_back(std::move(record));
    }
    longest_batch = std::max(longest_batch, batch.size() * batch.front()->input.size());
    return records;
  }
  mutable std::size_t longest_batch = 0;  // padded tokens

 private:
  shards::TargetSpec spec_{.codec = shards::TargetCodec::kHiddenF16, .width = 1};
};

class ShardTargetsTest : public ::testing::Test {
 protected:
  ShardTargetsTest() : masker_({.seed = 5, .variants = kVariants}, corpus_.token_counts(), corpus_.special_tokens()) {}

  Result<std::string> Build(const std::string& path) {
    return BuildShardTargets(
        corpus_, 1, masker_, kVariants, teacher_, {.path = path, .staged_as = path, .committed_path = ""}, "identity",
        [this](std::uint64_t records, std::uint64_t tokens) {
          records_ += records;
          tokens_ += tokens;
        },
        &computed_);
  }

  testing::TempDirectory temporary_;
  testing::MemoryCorpus corpus_ = TwoShards();
  shards::Masker masker_;
  EchoTeacher teacher_;
  std::uint64_t records_ = 0, tokens_ = 0;
  std::string computed_;
};

TEST_F(ShardTargetsTest, EveryRecordStandsUnderItsOwnSequenceAndVariant) {
  const std::string path = temporary_ / "shard-00001";
  ASSERT_OK(Build(path));
  ASSERT_OK_AND_ASSIGN(const auto reader, shards::TargetReader::Open(path));
  for (std::uint32_t i = 0; i < kSequences; ++i) {
    for (std::uint32_t variant = 0; variant < kVariants; ++variant) {
      const MaskedSequence masked = masker_.Mask(*corpus_.Sequence(kBefore + i), variant);
      TargetRecord record;
      ASSERT_OK(reader->Read(i, variant, masked.hash, &record));
      ASSERT_EQ(record.hidden, std::vector<float>(masked.input.begin(), masked.input.end()));
    }
  }
  EXPECT_EQ(reader->summary().records, kSequences * kVariants);
  EXPECT_EQ(records_, kSequences * kVariants);
  EXPECT_EQ(tokens_, reader->summary().positions);
}

TEST_F(ShardTargetsTest, TwoExecutionsHaveOneDigest) {
  ASSERT_OK_AND_ASSIGN(const std::string first, Build(temporary_ / "a"));
  ASSERT_OK_AND_ASSIGN(const std::string second, Build(temporary_ / "b"));
  EXPECT_EQ(first, second);
  EXPECT_EQ(computed_, second);
}

// A faulty machine's result is told apart from the one that another machine sealed, and its digest is known all the
// same.
TEST_F(ShardTargetsTest, AFlippedBitIsAnotherDigestAndIsNotSealedOverARightOne) {
  ASSERT_OK_AND_ASSIGN(const std::string right, Build(temporary_ / "a"));
  ASSERT_OK(ArmFaults("*:1:targets.result:flip"));
  EXPECT_THAT(Build(temporary_ / "a"), StatusIs(Code::kDataLoss, ::testing::HasSubstr(right)));
  EXPECT_NE(computed_, right);
  ASSERT_OK(ArmFaults(""));
  EXPECT_THAT(*ListDirectory(temporary_.path()), ::testing::ElementsAre("a"));
}

TEST_F(ShardTargetsTest, BatchesAreFullButBounded) {
  ASSERT_OK(Build(temporary_ / "a"));
  EXPECT_EQ(teacher_.longest_batch, 4096u);
}

TEST_F(ShardTargetsTest, ADamagedSequenceLeavesNothingBehind) {
  corpus_.damaged = corpus_.sequences() - 1;
  EXPECT_THAT(Build(temporary_ / "a"), StatusIs(Code::kDataLoss));
  EXPECT_THAT(*ListDirectory(temporary_.path()), ::testing::IsEmpty());
}

}  // namespace
}  // namespace still::worker
