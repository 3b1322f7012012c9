#include "shards/corpus/local_build.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include "common/storage/files.h"
#include "shards/corpus/corpus_manifest.h"
#include "shards/corpus/corpus_view.h"
#include "tests/shards/corpus/corpus_build_fixture.h"
#include "tests/testing/status_matchers.h"

namespace still::shards {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class BuildCorpusTest : public SmallCorpusFixture {
 protected:
  void SetUp() override {
    config_.set_sequences_per_shard(3);
    config_.set_heldout_percent(0);
  }

  Status Build(const std::string& root = "artifacts") {
    const auto inputs = ReadCorpusInputs(config_);
    if (!inputs.ok()) return inputs.status();
    const ArtifactStore artifacts(directory_ + "/" + root);
    corpus_ = artifacts.PathOf("corpus", inputs->identity.Digest());
    return BuildCorpus(config_, *inputs, artifacts, [this](const CorpusProgress& progress, std::uint64_t input_bytes) {
      progress_ = progress;
      input_bytes_ = input_bytes;
      return stop_ ? Error(Code::kCancelled, "enough") : Ok();
    });
  }

  void SetBooks(std::vector<std::string> paths) { *config_.mutable_books() = {paths.begin(), paths.end()}; }

  std::vector<std::vector<TokenId>> Sequences(Split split) {
    std::vector<std::vector<TokenId>> all;
    const auto view = CorpusView::Open(corpus_, split);
    EXPECT_TRUE(view.ok()) << view.status().ToString();
    for (std::uint64_t i = 0; view.ok() && i < (*view)->sequences(); ++i) {
      const TokenSpan tokens = *(*view)->Sequence(i);
      all.emplace_back(tokens.begin(), tokens.end());
    }
    return all;
  }

  CorpusProgress progress_;
  std::uint64_t input_bytes_ = 0;
  bool stop_ = false;
  std::string corpus_;
};

TEST_F(BuildCorpusTest, AnErrorOfProgressEndsTheBuildAndLeavesNothing) {
  SetBooks({Write("books/a.txt", "one two three four one two three four one")});
  stop_ = true;
  EXPECT_EQ(Build().code(), Code::kCancelled);
  EXPECT_FALSE(Exists(corpus_));
}

TEST_F(BuildCorpusTest, CutsDocumentsIntoSequencesAndDropsShortRests) {
  SetBooks({Write("books/a.txt", "one two three four one two three four one"),  // 6 + 3 tokens
            Write("books/b.txt", "four four four four four four four four"),    // 6 + 2: the rest is short
            Write("books/c.txt", "one")});
  ASSERT_OK(Build());
  EXPECT_THAT(Sequences(Split::kTrain), ::testing::ElementsAre(::testing::ElementsAre(2, 5, 6, 7, 8, 5, 6, 3),
                                                               ::testing::ElementsAre(2, 7, 8, 5, 3),
                                                               ::testing::ElementsAre(2, 8, 8, 8, 8, 8, 8, 3)));
  ASSERT_OK_AND_ASSIGN(const auto counts, ReadCorpusCounts(corpus_));
  EXPECT_EQ(counts.books, 3u);
  EXPECT_EQ(counts.documents, 3u);
  EXPECT_EQ(counts.tokens, 21u);
  EXPECT_EQ(counts.train_sequences, 3u);
  EXPECT_EQ(counts.dropped_short, 2u);
  EXPECT_EQ(progress_.input_bytes, input_bytes_);
  EXPECT_EQ(progress_.documents, 3u);
  EXPECT_OK(VerifyCorpus(corpus_));
  EXPECT_EQ(*ReadFile(corpus_ + "/vocab.txt"), *ReadFile(config_.vocab()));
}

TEST_F(BuildCorpusTest, ExactDuplicatesCountOnce) {
  SetBooks({Write("books/a.txt", "one two three four"), Write("books/b.txt", "one  two\r\nthree four\r\n"),
            Write("books/c.txt", "one  two\nthree four\n")});
  ASSERT_OK(Build());
  EXPECT_EQ((*ReadSummary(corpus_))["duplicates"], 1);  // b and c differ in line ends only
  EXPECT_EQ(ReadCorpusCounts(corpus_)->documents, 2u);
}

TEST_F(BuildCorpusTest, NoDocumentIsInBothSplitsAndBytesRepeat) {
  std::string pages;
  for (int i = 0; i < 60; ++i) {
    // Each document repeats one text of its own, so that a sequence tells its document.
    std::string text;
    for (int bit = 0; bit < 6; ++bit) text += (i >> bit & 1) != 0 ? "one " : "two ";
    pages += PageXml(i + 1, "four", text + text + text);
  }
  config_.add_wikipedia(Write("w.xml.bz2", Compressed(DumpXml(pages))));
  config_.set_heldout_percent(30);
  ASSERT_OK(Build());
  const auto counts = ReadCorpusCounts(corpus_);
  EXPECT_EQ(counts->pages, 60u);
  EXPECT_EQ(counts->sha1_verified, 60u);
  EXPECT_EQ(counts->train_sequences + counts->heldout_sequences, 60u * 3);  // 19 tokens: 6 + 6 + 6, and 1 dropped
  EXPECT_EQ(counts->train_sequences % 3, 0u);
  EXPECT_GT(counts->heldout_sequences, 0u);
  EXPECT_GT(counts->train_sequences, counts->heldout_sequences);

  const auto first = BytesOf(corpus_);
  EXPECT_GT(first.size(), 60u);  // there are 3 sequences per shard
  ASSERT_OK(Build("again"));
  EXPECT_EQ(BytesOf(corpus_), first);
}

TEST_F(BuildCorpusTest, IdentityDependsOnContentAndOptionsNotOnPaths) {
  SetBooks({Write("books/a.txt", "one")});
  const std::string digest = ReadCorpusInputs(config_)->identity.Digest();
  SetBooks({Write("elsewhere/a.txt", "one")});
  EXPECT_EQ(ReadCorpusInputs(config_)->identity.Digest(), digest);
  Write("elsewhere/a.txt", "two");
  EXPECT_NE(ReadCorpusInputs(config_)->identity.Digest(), digest);
  Write("elsewhere/a.txt", "one");
  config_.set_max_sequence_tokens(9);
  EXPECT_NE(ReadCorpusInputs(config_)->identity.Digest(), digest);
}

TEST_F(BuildCorpusTest, FailuresNameTheirCauseAndLeaveNothing) {
  SetBooks({Write("books/a.txt", "one")});
  EXPECT_EQ(Build().code(), Code::kInvalidArgument);

  SetBooks({Write("books/good.txt", "one two three four"), Write("books/bad.txt", std::string("a\0b", 3))});
  EXPECT_EQ(Build().code(), Code::kDataLoss);
  EXPECT_FALSE(Exists(corpus_));
  EXPECT_TRUE(ListFilesRecursively(corpus_ + ".splits")->empty());
  for (const std::string& path : *ListFilesRecursively(directory_)) EXPECT_THAT(path, Not(HasSubstr(".building")));

  SetBooks({directory_ + "/none.txt"});
  EXPECT_EQ(Build().code(), Code::kNotFound);
  config_.clear_books();
  EXPECT_EQ(Build().code(), Code::kInvalidArgument);
  SetBooks({Write("books/a.txt", "one two three four")});
  config_.set_max_sequence_tokens(4);
  EXPECT_THAT(Build().message(), HasSubstr("max_sequence_tokens"));
}

TEST_F(BuildCorpusTest, AForbiddenDirectoryIsPermissionDenied) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write anywhere";
  SetBooks({Write("books/a.txt", "one two three four")});
  Write("artifacts/corpus/x", "");
  std::filesystem::permissions(directory_ + "/artifacts/corpus", std::filesystem::perms::owner_read);
  EXPECT_EQ(Build().code(), Code::kPermissionDenied);
  std::filesystem::permissions(directory_ + "/artifacts/corpus", std::filesystem::perms::owner_all);
}

TEST_F(BuildCorpusTest, TheDemoCorpusBuilds) {
  STILL_NEED_DEMO_DATA(dump, "wikipedia.xml.bz2");
  STILL_NEED_DEMO_DATA(books, "books");
  STILL_NEED_DEMO_DATA(vocab, "teacher/vocab.txt");
  config_ = DefaultPipelineConfig().corpus();
  config_.add_wikipedia(dump);
  config_.add_books(books);
  config_.set_vocab(vocab);
  const Status status = Build();
  ASSERT_TRUE(status.ok()) << status.ToString();
  const Summary summary = *ReadSummary(corpus_);
  for (const auto& [name, value] : summary) std::printf("  %-18s %.1f\n", name.c_str(), value);
  EXPECT_EQ(summary.at("sha1_verified"), 206);
  EXPECT_EQ(summary.at("articles"), 106);
  EXPECT_GT(summary.at("duplicates"), 0);
  EXPECT_GT(summary.at("heldout_sequences"), 100);
  EXPECT_OK(VerifyCorpus(corpus_));
}

}  // namespace
}  // namespace still::shards
