#include "shards/corpus/corpus_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/shards/corpus/corpus_fixture.h"
#include "tests/testing/status_matchers.h"

namespace still::shards {
namespace {

using ::testing::AllOf;
using testing::FlipBit;
using ::testing::HasSubstr;
using testing::StatusIs;

class CorpusViewTest : public CorpusFixture {
 protected:
  void SetUp() override {
    AddShard(Split::kTrain, 0, 0, 30, &manifest_);
    AddShard(Split::kTrain, 1, 30, 1, &manifest_);
    AddShard(Split::kTrain, 2, 31, 20, &manifest_);
    AddShard(Split::kHeldout, 0, 51, 9, &manifest_);
    ASSERT_OK(WriteCorpusManifest(directory_, manifest_));
  }
  CorpusManifest manifest_;
};

TEST_F(CorpusViewTest, AddressesTheSequencesOfAllShardsByOneIndex) {
  ASSERT_OK_AND_ASSIGN(const auto opened, CorpusView::Open(directory_, Split::kTrain));
  const CorpusView& corpus = *opened;
  ASSERT_EQ(corpus.sequences(), 51U);
  ASSERT_EQ(corpus.shards(), 3U);
  EXPECT_EQ(corpus.ShardBegin(1), 30U);
  EXPECT_EQ(corpus.ShardEnd(1), 31U);
  EXPECT_EQ(corpus.ShardEnd(2), 51U);
  EXPECT_EQ(corpus.special_tokens(), TestSpecials());
  std::vector<std::uint64_t> counts(kTestVocabulary);
  for (std::uint64_t i = 0; i < corpus.sequences(); ++i) {
    ASSERT_OK_AND_ASSIGN(const auto tokens, corpus.Sequence(i));
    EXPECT_EQ(std::vector<TokenId>(tokens.begin(), tokens.end()), TestSequence(i, 12 + i % 50));
    EXPECT_EQ(corpus.Length(i), tokens.size());
    for (const TokenId token : tokens) ++counts[token];
  }
  EXPECT_EQ(corpus.token_counts(), counts);
  ASSERT_OK_AND_ASSIGN(const auto heldout, CorpusView::Open(directory_, Split::kHeldout));
  EXPECT_EQ(heldout->sequences(), 9U);
}

TEST_F(CorpusViewTest, VerifyAcceptsAnIntactCorpusAndNamesADamagedShard) {
  EXPECT_OK(VerifyCorpus(directory_));
  FlipBit(JoinPath(directory_, "heldout-00000"), 300);
  EXPECT_THAT(VerifyCorpus(directory_), StatusIs(Code::kDataLoss, HasSubstr("heldout-00000")));
}

// The shards are whole and undamaged, but belong to another corpus or another place.
TEST_F(CorpusViewTest, RefusesAShardThatTheManifestDoesNotList) {
  CorpusManifest other;
  AddShard(Split::kTrain, 1, 1000, 1, &other);
  EXPECT_THAT(CorpusView::Open(directory_, Split::kTrain),
              StatusIs(Code::kDataLoss, AllOf(HasSubstr("train-00001"), HasSubstr("manifest.json"),
                                              HasSubstr(other.shards[0].sha256), HasSubstr("remove " + directory_))));
}

TEST_F(CorpusViewTest, RefusesShardsOutOfOrder) {
  std::swap(manifest_.shards[0], manifest_.shards[2]);
  ASSERT_OK(WriteCorpusManifest(directory_, manifest_));
  EXPECT_THAT(CorpusView::Open(directory_, Split::kTrain), StatusIs(Code::kDataLoss, HasSubstr("place 0")));
}

TEST_F(CorpusViewTest, MissingShardManifestOrSplitIsNamed) {
  std::filesystem::remove(JoinPath(directory_, "train-00002"));
  EXPECT_THAT(CorpusView::Open(directory_, Split::kTrain), StatusIs(Code::kNotFound, HasSubstr("train-00002")));

  ASSERT_OK(WriteCorpusManifest(directory_, {.shards = {manifest_.shards[0]}}));
  EXPECT_THAT(CorpusView::Open(directory_, Split::kHeldout).status().message(), HasSubstr("heldout"));

  ASSERT_OK(WriteFileAtomically(JoinPath(directory_, "manifest.json"), "{\"shards\": [{\"name\": 7}]}"));
  EXPECT_THAT(CorpusView::Open(directory_, Split::kTrain), StatusIs(Code::kDataLoss, HasSubstr("manifest.json")));

  std::filesystem::remove(JoinPath(directory_, "manifest.json"));
  EXPECT_EQ(CorpusView::Open(directory_, Split::kTrain).status().code(), Code::kNotFound);
}

TEST_F(CorpusViewTest, CountsComeBackFromTheSummaryAndAMissingOneIsNamed) {
  CorpusCounts counts;
  counts.pages = 206;
  counts.tokens = 4'000'000'000;
  counts.dropped_short = 7;
  Summary summary = CorpusSummary(counts);
  ASSERT_OK(WriteSummary(directory_, summary));
  ASSERT_OK_AND_ASSIGN(const auto read, ReadCorpusCounts(directory_));
  EXPECT_EQ(CorpusSummary(read), summary);
  summary.erase("books");
  ASSERT_OK(WriteSummary(directory_, summary));
  EXPECT_THAT(ReadCorpusCounts(directory_), StatusIs(Code::kDataLoss, HasSubstr("books")));
}

}  // namespace
}  // namespace still::shards
