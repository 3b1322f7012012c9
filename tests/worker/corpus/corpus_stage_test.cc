// Tests what a rank of the corpus stage does before its first lease.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/config/pipeline_config.h"
#include "common/storage/files.h"
#include "shards/corpus/corpus_inputs.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"
#include "worker/control/stages.h"

namespace still::worker {
namespace {

using testing::StatusIs;

// A link without work, which counts how often a rank asks for some.
class IdleLink final : public ControlLink {
 public:
  void ReportProgress(const v1::Progress&) override {}
  Result<v1::LeaseGrant> NextShard() override {
    ++asked;
    v1::LeaseGrant grant;
    grant.set_answer(v1::LEASE_ANSWER_DONE);
    return grant;
  }
  Status ShardDone(const v1::ShardDone&) override { return Ok(); }
  Status Poll() override { return Ok(); }
  Status PartsWritten(const v1::PartsWritten&) override { return Ok(); }
  std::optional<std::uint64_t> PublishedStep() const override { return std::nullopt; }
  Result<std::uint64_t> RequestShrink(std::uint64_t, const std::vector<int>&) override { return 0; }
  void ReportStorageTrouble(const std::string&) override {}
  void ReportResult(const Status&) override {}

  int asked = 0;
};

TEST(CorpusStageTest, ARankWhoseInputIsAnotherFileLeasesNothing) {
  const testing::TempDirectory directory;
  const std::string book = directory.path() + "/book.txt";
  ASSERT_OK(WriteFileAtomically(book, "one two one two"));
  const std::string vocab = directory.path() + "/vocab.txt";
  ASSERT_OK(WriteFileAtomically(vocab, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\none\ntwo\n"));
  v1::WorkerTask task;
  *task.mutable_config() = DefaultPipelineConfig();
  task.mutable_config()->set_artifacts(directory.path() + "/artifacts");
  v1::CorpusConfig& corpus = *task.mutable_config()->mutable_corpus();
  corpus.add_books(book);
  corpus.set_vocab(vocab);
  const IdentityBuilder identity = shards::ReadCorpusInputs(corpus)->identity;
  task.mutable_artifacts()->set_corpus(identity.Digest());
  task.set_identity(identity.text());
  IdleLink link;
  ProgressWriter words;
  const auto run = [&] { return RunCorpusStage(task, link, words); };
  ASSERT_OK(run());
  EXPECT_EQ(link.asked, 1);
  ASSERT_OK(WriteFileAtomically(book, "one two one one")) << "of the same size";
  EXPECT_THAT(run(), StatusIs(Code::kInvalidArgument));
  EXPECT_EQ(link.asked, 1);
}

}  // namespace
}  // namespace still::worker
