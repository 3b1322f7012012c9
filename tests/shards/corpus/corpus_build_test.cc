// A corpus that is made task by task has the same bytes, however its input is cut.
#include "shards/corpus/corpus_build.h"

#include <gmock/gmock.h>

#include "shards/corpus/corpus_manifest.h"
#include "tests/shards/corpus/corpus_build_fixture.h"

namespace still::shards {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::StatusIs;

class CorpusBuildTest : public CorpusBuildFixture {};

TEST_F(CorpusBuildTest, SplitsOfAnySizeGiveTheSameBytesAndCounts) {
  ASSERT_GT(Expected().size(), 10u);
  EXPECT_GT(SummaryOf("expected").at("duplicates"), 20) << "within dumps, between them, and between books";
  for (const std::uint64_t bytes : {100, 300, 2000, 10000}) {
    const std::string root = "splits-" + std::to_string(bytes);
    CorpusBuild build = Open(root, {.of_dump = bytes, .of_books = bytes / 10});
    EXPECT_GT(*build.Tasks(CorpusPass::kTokenise), 3u);
    ASSERT_OK(MakeAll(build));
    EXPECT_EQ(Bytes(root), Expected()) << bytes;
    EXPECT_EQ(SummaryOf(root), SummaryOf("expected"));
    EXPECT_OK(VerifyCorpus(CorpusPath(root)));
    EXPECT_THAT(*ListDirectory(Artifacts(root).root() + "/corpus"), ElementsAre(inputs_.identity.Digest()));
  }
}

TEST_F(CorpusBuildTest, TheCutDependsOnFileSizesAlone) {
  ASSERT_OK_AND_ASSIGN(const auto splits, CutInput(config_, kSmall));
  std::uint64_t input = 0;
  for (const InputSplit& split : splits) {
    EXPECT_EQ(split.input_begin, input);
    EXPECT_GT(split.input_bytes, 0u);
    input += split.input_bytes;
  }
  CorpusBuild build = Open("a");
  EXPECT_EQ(build.input_bytes(), input);
  ASSERT_EQ(*build.Tasks(CorpusPass::kTokenise), splits.size());
  EXPECT_EQ(build.InputBytes(CorpusPass::kTokenise, 1), splits[1].input_bytes);
  EXPECT_EQ(build.InputBytes(CorpusPass::kPlan, 0), 0u);
  EXPECT_EQ(*build.Tasks(CorpusPass::kPlan), 1u);
  EXPECT_THAT(build.Tasks(CorpusPass::kCopy), StatusIs(Code::kNotFound));
  EXPECT_THAT(build.MadeDigest(CorpusPass::kTokenise, 0), StatusIs(Code::kNotFound));
  EXPECT_THAT(build.MadeDigest(CorpusPass::kPlan, 0), StatusIs(Code::kNotFound));
}

TEST_F(CorpusBuildTest, ProgressEndsAtTheBytesOfTheTask) {
  CorpusBuild build = Open("a");
  CorpusProgress last;
  for (std::uint32_t task = 0; task < *build.Tasks(CorpusPass::kTokenise); ++task) {
    last = {};
    const auto on_progress = [&](const CorpusProgress& progress) {
      EXPECT_GE(progress.input_bytes, last.input_bytes);
      last = progress;
      return Ok();
    };
    std::string computed;
    ASSERT_OK_AND_ASSIGN(const std::string digest, build.Make(CorpusPass::kTokenise, task, on_progress, &computed));
    EXPECT_EQ(digest, computed);
    EXPECT_EQ(*build.MadeDigest(CorpusPass::kTokenise, task), digest);
    EXPECT_EQ(last.input_bytes, build.InputBytes(CorpusPass::kTokenise, task));
  }
  EXPECT_GT(last.documents, 0u);
  EXPECT_GT(last.tokens, 0u);
}

TEST_F(CorpusBuildTest, AnErrorOfProgressEndsTheTaskAndLeavesNothing) {
  CorpusBuild build = Open("a");
  std::string computed;
  const auto stop = [](const CorpusProgress&) { return Error(Code::kCancelled, "enough"); };
  EXPECT_THAT(build.Make(CorpusPass::kTokenise, 0, stop, &computed), StatusIs(Code::kCancelled));
  ASSERT_OK(MakeAll(build, CorpusPass::kTokenise));
  EXPECT_THAT(build.Make(CorpusPass::kPlan, 0, stop, &computed), StatusIs(Code::kCancelled));
  ASSERT_OK(MakeAll(build, CorpusPass::kPlan));
  EXPECT_THAT(build.Make(CorpusPass::kCopy, 0, stop, &computed), StatusIs(Code::kCancelled));
  EXPECT_THAT(build.MadeDigest(CorpusPass::kCopy, 0), StatusIs(Code::kNotFound));
  EXPECT_EQ(ListDirectory(Artifacts("a").root() + "/corpus")->size(), 2u) << "no temporaries";
}

TEST_F(CorpusBuildTest, ADamagedSplitIsNamedAndMadeAnewWhenRemoved) {
  CorpusBuild build = Open("a");
  ASSERT_OK(MakeAll(build, CorpusPass::kTokenise));
  const std::string path = SplitPath("a", "split-00001");
  const std::string good = *ReadFile(path);
  const auto damaged = HasSubstr(path);
  for (const std::size_t at : {std::size_t{9}, std::size_t{100}, std::size_t{300}, good.size() - 20}) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 4);
    ASSERT_OK(WriteFileAtomically(path, bytes));
    EXPECT_THAT(Make(build, CorpusPass::kPlan, 0), StatusIs(Code::kDataLoss, damaged)) << at;
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{30}, good.size() / 2, good.size() - 1}) {
    ASSERT_OK(WriteFileAtomically(path, good.substr(0, size)));
    EXPECT_THAT(Make(build, CorpusPass::kPlan, 0), StatusIs(Code::kDataLoss, damaged)) << size;
    EXPECT_THAT(build.MadeDigest(CorpusPass::kTokenise, 1), StatusIs(Code::kDataLoss, damaged));
  }
  std::filesystem::copy_file(SplitPath("a", "split-00002"), path, std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(Make(build, CorpusPass::kPlan, 0), StatusIs(Code::kDataLoss, damaged));

  // Damage of the tokens is found by the copy, as the plan does not read them.
  std::string bytes = good;
  bytes[good.size() - 41] = static_cast<char>(bytes[good.size() - 41] ^ 4);
  ASSERT_OK(WriteFileAtomically(path, bytes));
  ASSERT_OK(MakeAll(build, CorpusPass::kPlan));
  EXPECT_THAT(MakeAll(build, CorpusPass::kCopy), StatusIs(Code::kDataLoss, damaged));
  ASSERT_OK(RemoveAll(path));
  ASSERT_OK(MakeAll(build));
  EXPECT_EQ(Bytes("a"), Expected());
}

TEST_F(CorpusBuildTest, ADamagedPlanIsNamedAndMadeAnewWhenRemoved) {
  CorpusBuild build = Open("a");
  ASSERT_OK(MakeAll(build, CorpusPass::kTokenise));
  ASSERT_OK(MakeAll(build, CorpusPass::kPlan));
  const std::string path = SplitPath("a", "shard-plan");
  const std::string good = *ReadFile(path);
  for (const std::size_t at : {std::size_t{9}, std::size_t{100}, good.size() - 20}) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 4);
    ASSERT_OK(WriteFileAtomically(path, bytes));
    EXPECT_THAT(Open("a").Tasks(CorpusPass::kCopy), StatusIs(Code::kDataLoss, HasSubstr(path))) << at;
  }
  ASSERT_OK(WriteFileAtomically(path, good.substr(0, 40)));
  EXPECT_THAT(Open("a").Tasks(CorpusPass::kCopy), StatusIs(Code::kDataLoss, HasSubstr(path)));
  ASSERT_OK(RemoveAll(path));
  ASSERT_OK(MakeAll(build));
  EXPECT_EQ(Bytes("a"), Expected());
}

TEST_F(CorpusBuildTest, ThePlanRefusesADumpWhoseSplitsDoNotMeet) {
  std::string bytes = *ReadFile(config_.wikipedia(0));
  // Damages the magic of a block in a later split. That split begins one block too late, and the one before it ends too
  // early.
  CorpusBuild build = Open("a", {.of_dump = 1000, .of_books = 300});
  ASSERT_OK(Make(build, CorpusPass::kTokenise, 0));
  const std::size_t stream = bytes.find("BZh1", 1000);
  bytes[stream + 30] = static_cast<char>(bytes[stream + 30] ^ 1);
  Write("w.xml.bz2", bytes);
  Status made = MakeAll(build, CorpusPass::kTokenise);
  if (made.ok()) made = MakeAll(build, CorpusPass::kPlan);
  EXPECT_THAT(made, StatusIs(Code::kDataLoss, HasSubstr("w.xml.bz2")));
}

TEST_F(CorpusBuildTest, ThePlanRefusesInputsWithTooLittleText) {
  config_.clear_wikipedia();
  config_.clear_books();
  config_.add_books(Write("books/a.txt", "one"));
  inputs_ = ReadCorpusInputs(config_).value();
  CorpusBuild build = Open("a");
  ASSERT_OK(MakeAll(build, CorpusPass::kTokenise));
  EXPECT_THAT(MakeAll(build, CorpusPass::kPlan), StatusIs(Code::kInvalidArgument, HasSubstr("5 tokens")));
  Write("books/a.txt", "one two three four");
  inputs_ = ReadCorpusInputs(config_).value();
  CorpusBuild one_document = Open("a");
  EXPECT_THAT(MakeAll(one_document), StatusIs(Code::kInvalidArgument, HasSubstr("corpus.heldout_percent")));
}

TEST_F(CorpusBuildTest, AVocabularyFileThatChangesDuringTheBuildHasNoEffect) {
  CorpusBuild build = Open("a");
  const auto expected = Expected();
  Write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ntwo\none\nthree\nfour\n.\n");
  ASSERT_OK(MakeAll(build));
  EXPECT_EQ(Bytes("a"), expected);
  EXPECT_THAT(ReadCorpusInputs(config_, inputs_.identity.Digest()), StatusIs(Code::kInvalidArgument));
}

TEST_F(CorpusBuildTest, CommitFailsWhenAShardIsMissing) {
  CorpusBuild build = Open("a");
  EXPECT_THAT(build.Commit({}), StatusIs(Code::kNotFound));
  ASSERT_OK(MakeAll(build, CorpusPass::kTokenise));
  ASSERT_OK(MakeAll(build, CorpusPass::kPlan));
  EXPECT_THAT(build.Commit({}), StatusIs(Code::kNotFound, HasSubstr("train-00000")));
  ASSERT_OK(MakeAll(build, CorpusPass::kCopy));
  ASSERT_OK(build.Commit({{"seconds", 7}}));
  EXPECT_EQ(ReadSummary(CorpusPath("a"))->at("seconds"), 7);
  ASSERT_OK(build.Commit({{"seconds", 8}})) << "done already";
  EXPECT_EQ(ReadSummary(CorpusPath("a"))->at("seconds"), 7);
}

}  // namespace
}  // namespace still::shards
