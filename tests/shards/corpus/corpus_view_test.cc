#include "shards/corpus/corpus_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/shards/corpus/corpus_fixture.h"

namespace still::shards {
namespace {

using ::testing::AllOf;
using testing::FlipBit;
using ::testing::HasSubstr;

class CorpusViewTest : public CorpusFixture {
 protected:
  void SetUp() override {
    AddShard(Split::kTrain, 0, 0, 30, &manifest_);
    AddShard(Split::kTrain, 1, 30, 1, &manifest_);
    AddShard(Split::kTrain, 2, 31, 20, &manifest_);
    AddShard(Split::kHeldout, 0, 51, 9, &manifest_);
    ASSERT_TRUE(WriteCorpusManifest(directory_, manifest_).ok());
  }
  CorpusManifest manifest_;
};

TEST_F(CorpusViewTest, AddressesTheSequencesOfAllShardsByOneIndex) {
  const auto opened = CorpusView::Open(directory_, Split::kTrain);
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  const CorpusView& corpus = **opened;
  ASSERT_EQ(corpus.sequences(), 51U);
  ASSERT_EQ(corpus.shards(), 3U);
  EXPECT_EQ(corpus.ShardBegin(1), 30U);
  EXPECT_EQ(corpus.ShardEnd(1), 31U);
  EXPECT_EQ(corpus.ShardEnd(2), 51U);
  EXPECT_EQ(corpus.special_tokens(), TestSpecials());
  std::vector<std::uint64_t> counts(kTestVocabulary);
  for (std::uint64_t i = 0; i < corpus.sequences(); ++i) {
    const auto tokens = corpus.Sequence(i);
    ASSERT_TRUE(tokens.ok()) << tokens.status().ToString();
    EXPECT_EQ(std::vector<TokenId>(tokens->begin(), tokens->end()), TestSequence(i, 12 + i % 50));
    EXPECT_EQ(corpus.Length(i), tokens->size());
    for (const TokenId token : *tokens) ++counts[token];
  }
  EXPECT_EQ(corpus.token_counts(), counts);
  const auto heldout = CorpusView::Open(directory_, Split::kHeldout);
  ASSERT_TRUE(heldout.ok());
  EXPECT_EQ((*heldout)->sequences(), 9U);
}

TEST_F(CorpusViewTest, VerifyAcceptsAnIntactCorpusAndNamesADamagedShard) {
  EXPECT_TRUE(VerifyCorpus(directory_).ok());
  FlipBit(JoinPath(directory_, "heldout-00000"), 300);
  const Status damaged = VerifyCorpus(directory_);
  EXPECT_EQ(damaged.code(), Code::kDataLoss);
  EXPECT_THAT(damaged.message(), HasSubstr("heldout-00000"));
}

// The shards are whole and undamaged, but belong to another corpus or another place.
TEST_F(CorpusViewTest, RefusesAShardThatTheManifestDoesNotList) {
  CorpusManifest other;
  AddShard(Split::kTrain, 1, 1000, 1, &other);
  const auto opened = CorpusView::Open(directory_, Split::kTrain);
  EXPECT_EQ(opened.status().code(), Code::kDataLoss);
  EXPECT_THAT(opened.status().message(), AllOf(HasSubstr("train-00001"), HasSubstr("manifest.json"),
                                               HasSubstr(other.shards[0].sha256), HasSubstr("remove " + directory_)));
}

TEST_F(CorpusViewTest, RefusesShardsOutOfOrder) {
  std::swap(manifest_.shards[0], manifest_.shards[2]);
  ASSERT_TRUE(WriteCorpusManifest(directory_, manifest_).ok());
  const auto opened = CorpusView::Open(directory_, Split::kTrain);
  EXPECT_EQ(opened.status().code(), Code::kDataLoss);
  EXPECT_THAT(opened.status().message(), HasSubstr("place 0"));
}

TEST_F(CorpusViewTest, MissingShardManifestOrSplitIsNamed) {
  std::filesystem::remove(JoinPath(directory_, "train-00002"));
  const auto no_shard = CorpusView::Open(directory_, Split::kTrain);
  EXPECT_EQ(no_shard.status().code(), Code::kNotFound);
  EXPECT_THAT(no_shard.status().message(), HasSubstr("train-00002"));

  ASSERT_TRUE(WriteCorpusManifest(directory_, {.shards = {manifest_.shards[0]}}).ok());
  EXPECT_THAT(CorpusView::Open(directory_, Split::kHeldout).status().message(), HasSubstr("heldout"));

  ASSERT_TRUE(WriteFileAtomically(JoinPath(directory_, "manifest.json"), "{\"shards\": [{\"name\": 7}]}").ok());
  const auto torn = CorpusView::Open(directory_, Split::kTrain);
  EXPECT_EQ(torn.status().code(), Code::kDataLoss);
  EXPECT_THAT(torn.status().message(), HasSubstr("manifest.json"));

  std::filesystem::remove(JoinPath(directory_, "manifest.json"));
  EXPECT_EQ(CorpusView::Open(directory_, Split::kTrain).status().code(), Code::kNotFound);
}

TEST_F(CorpusViewTest, CountsComeBackFromTheSummaryAndAMissingOneIsNamed) {
  CorpusCounts counts;
  counts.pages = 206;
  counts.tokens = 4'000'000'000;
  counts.dropped_short = 7;
  Summary summary = CorpusSummary(counts);
  ASSERT_TRUE(WriteSummary(directory_, summary).ok());
  const auto read = ReadCorpusCounts(directory_);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(CorpusSummary(*read), summary);
  summary.erase("books");
  ASSERT_TRUE(WriteSummary(directory_, summary).ok());
  EXPECT_EQ(ReadCorpusCounts(directory_).status().code(), Code::kDataLoss);
  EXPECT_THAT(ReadCorpusCounts(directory_).status().message(), HasSubstr("books"));
}

}  // namespace
}  // namespace still::shards
