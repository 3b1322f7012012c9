// Builds a corpus by real ranks under a real mpirun and kills them. The corpus consists of the same files, whichever
// ranks make it and whatever dies on the way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/storage/files.h"
#include "tests/integration/survival_fixture.h"
#include "tests/testing/bzip2.h"

namespace still::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

using Files = std::map<std::string, std::string>;  // name -> bytes

constexpr int kDumps = 11;  // each is one input split; the books are another
constexpr int kSplits = kDumps + 1;

// Returns a dump of three pages, cut from a real book.
std::string Dump(const std::string& book, int number) {
  std::string xml = "<mediawiki>";
  for (int page = 0; page < 3; ++page) {
    std::string text = book.substr(static_cast<std::size_t>(3 * number + page) * 1500, 1500);
    std::erase_if(text, [](char c) { return c == '<' || c == '>' || c == '&' || (c & 0x80) != 0; });
    xml += "<page><title>Page " + std::to_string(3 * number + page) + "</title><ns>0</ns><id>" +
           std::to_string(100 + 3 * number + page) + "</id><revision><id>8</id><text>" + text +
           "</text></revision></page>";
  }
  return Compressed(xml + "</mediawiki>");
}

class CorpusSurvivalTest : public SurvivalFixture, public ::testing::WithParamInterface<FaultCase> {
 protected:
  CorpusSurvivalTest() : SurvivalFixture("corpus") {}

  std::unique_ptr<TinyPipeline> Prepared(const std::string& directory) const override {
    auto pipeline = std::make_unique<TinyPipeline>(directory, DemoData());
    const auto book = ReadFile(DemoData() + "/books/milton/paradiselost.txt");
    EXPECT_TRUE(book.ok()) << book.status().ToString();
    std::string dumps;
    for (int number = 0; number < kDumps; ++number) {
      const std::string path = directory + "/dump-" + std::to_string(number) + ".xml.bz2";
      std::ofstream(path, std::ios::binary) << Dump(*book, number);
      dumps += (number == 0 ? "" : ", ") + path;
    }
    pipeline->Set("corpus.wikipedia", "[" + dumps + "]");
    pipeline->Set("corpus.sequences_per_shard", "64");
    pipeline->Set("ranks", "3");
    pipeline->Set("recovery.mode", "inplace");
    return pipeline;
  }
  // Returns the files of the artifact, without the time that it took.
  static Files FilesOf(const TinyPipeline& pipeline) {
    Files files;
    for (const std::string& path : pipeline.Artifacts("corpus")) {
      if (fs::path(path).filename().string().find('.') != std::string::npos) continue;
      for (const auto& entry : fs::directory_iterator(path)) {
        std::string bytes = ReadFile(entry.path()).value();
        if (entry.path().filename() == "summary.json") {
          const std::size_t at = bytes.find("\"seconds\"");
          EXPECT_NE(at, std::string::npos) << bytes;
          bytes.erase(at, bytes.find_first_of(",}", at) - at);
        }
        files[entry.path().filename()] = bytes;
      }
    }
    return files;
  }
  // Returns what one process alone makes.
  const Files& Undisturbed() const {
    static const Files* files = [this] {
      const TempDirectory directory;
      const auto pipeline = Prepared(directory.path());
      const ProcessResult result = pipeline->Run({"--until", "corpus", "--ranks", "1"});
      EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
      return new Files(FilesOf(*pipeline));
    }();
    return *files;
  }

  // Expects that only the artifact is left, with the undisturbed files.
  void ExpectUndisturbed(const ProcessResult& result) override {
    ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
    const Files files = FilesOf(*pipeline_);
    ASSERT_EQ(files.size(), Undisturbed().size());
    for (const auto& [name, bytes] : Undisturbed()) {
      ASSERT_TRUE(files.contains(name)) << name;
      EXPECT_TRUE(files.at(name) == bytes) << name;
    }
    EXPECT_EQ(Ending("corpus", ".building") + Ending("corpus", ".splits"), 0);
  }
  // Expects that the job failed by two different results, and that no corpus stands.
  void ExpectDifference(const ProcessResult& failed) const {
    EXPECT_EQ(failed.exit_code, 3) << failed.out << failed.err;
    EXPECT_THAT(failed.err, HasSubstr("by rank 1"));
    EXPECT_TRUE(FilesOf(*pipeline_).empty());
  }
  // Returns a run that has made all input splits and takes a minute over the shard plan.
  std::unique_ptr<Process> WithAllSplitsMade() { return WithSplitsMade(kSplits, "*:*:corpus.plan:delay60000"); }
  std::unique_ptr<Process> WithSplitsMade(int wanted, const std::string& fault) {
    const auto splits = [&] {
      int made = 0;
      for (const std::string& path : pipeline_->Artifacts("corpus")) {
        if (!path.ends_with(".splits")) continue;
        const auto names = ListDirectory(path);
        if (!names.ok()) continue;
        for (const std::string& name : *names)
          made += name.starts_with("split-") && name.find('.') == std::string::npos ? 1 : 0;
      }
      return made;
    };
    return StartUntil({fault}, [&] { return splits() >= wanted; });
  }
};

// Rank 1 computes its split wrongly, and so slowly that another rank computes it as well.
const std::vector<std::string> kSlowFlip = {"1:1:corpus.split:delay4000", "1:1:corpus.result:flip",
                                            "*:*:corpus.split:delay100"};

TEST_F(CorpusSurvivalTest, TwoAndThreeRanksMakeWhatOneProcessMakes) {
  EXPECT_GT(Undisturbed().size(), 8U) << "several shards";
  ExpectUndisturbed(Run());
  const TempDirectory other;
  pipeline_ = Prepared(other.path());
  pipeline_->Set("ranks", "2");
  ExpectUndisturbed(Run());
}

TEST_P(CorpusSurvivalTest, EndsInTheSameFiles) { Survive(GetParam()); }

std::vector<FaultCase> Cases() {
  const Setting two_ranks = {"ranks", "2"};
  const Setting hang = {"recovery.hang_seconds", "1"};
  return {
      {"KilledInASplit", {}, {"1:1:corpus.split:kill", "*:*:corpus.split:delay100"}, kOnlyInPlace, "with 2 ranks"},
      {"KilledInAShard", {}, {"1:1:corpus.shard:kill", "*:*:corpus.shard:delay200"}, kOnlyInPlace, "with 2 ranks"},
      // One of two ranks plans, one of them commits. The third takes over.
      {"TakesOverShardPlanAndCommit",
       {},
       {"0:*:corpus.plan:kill", "0:*:corpus.commit:kill", "1:*:corpus.plan:kill", "1:*:corpus.commit:kill"},
       kAny},
      // Each rank that gets the task dies of it. The next launch continues from there.
      {"EveryRankDies", {two_ranks}, {"*:1:corpus.plan:kill", "*:1:corpus.commit:kill@2"}, kAgain},
      {"InModeRelaunch",
       {{"recovery.mode", "relaunch"}},
       {"1:1:corpus.split:kill", "*:*:corpus.split:delay100"},
       kAgain},
      {"EveryRankHangsInTheCommit",
       {two_ranks, hang},
       {"*:1:corpus.commit:delay600000"},
       kInPlaceAndAgain,
       "hung in commit"},
      // One file takes a third of the time that a rank may be silent for. The whole artifact takes more than all of it.
      {"SlowDisk", {hang}, {"0:*:fsync:delay2000", "1:*:fsync:delay2000", "2:*:fsync:delay2000"}, kNone},
      {"Straggler", {}, {"1:1:corpus.split:delay4000", "*:*:corpus.split:delay100"}, kAny, "rank 1 is slow"},
  };
}

INSTANTIATE_TEST_SUITE_P(All, CorpusSurvivalTest, ::testing::ValuesIn(Cases()), NameOf);

TEST_F(CorpusSurvivalTest, SplitsOfAKilledRunAreNotMadeAgain) {
  const auto run = WithAllSplitsMade();
  run->SignalSelf(SIGKILL);
  run->Wait();
  ExpectUndisturbed(Run({"*:*:corpus.split:error"}));
}

TEST_F(CorpusSurvivalTest, SplitsOfAnInterruptedRunAreNotMadeAgain) {
  const auto run = WithAllSplitsMade();
  run->SignalSelf(SIGINT);
  const ProcessResult interrupted = run->Wait();
  EXPECT_EQ(interrupted.exit_code, 5) << interrupted.err;
  ExpectUndisturbed(Run({"*:*:corpus.split:error"}));
}

// One rank builds the corpus in the agent itself, without mpirun.
TEST_F(CorpusSurvivalTest, OneRankContinuesAfterInterruptAndKill) {
  pipeline_->Set("ranks", "1");
  const auto run = WithSplitsMade(2, "*:*:corpus.split:delay200");
  run->SignalSelf(SIGINT);
  const ProcessResult interrupted = run->Wait();
  EXPECT_EQ(interrupted.exit_code, 5) << interrupted.err;
  const ProcessResult killed = Run({"*:1:corpus.shard:kill"});
  EXPECT_EQ(killed.signal, SIGKILL) << killed.out << killed.err;
  ExpectUndisturbed(Run({"*:*:corpus.split:error"}));
}

TEST_F(CorpusSurvivalTest, TheLogShowsWhereARankHung) {
  Survive({"HangsInASplit",
           {{"recovery.hang_seconds", "1"}},
           {"1:1:corpus.split:delay600000", "*:*:corpus.split:delay2500"},
           kOnlyInPlace,
           "rank 1 hung in tokenise"});
  EXPECT_THAT(Log(), HasSubstr("stack of rank 1"));
}

// Two executions of a split differ. No corpus is made from either, and the next run makes the split anew.
TEST_F(CorpusSurvivalTest, AFlippedBitFailsTheJobAndTheNextRunIsRight) {
  ExpectDifference(Run({kSlowFlip[0], kSlowFlip[1], kSlowFlip[2], "*:*:corpus.plan:delay6000"}));
  EXPECT_EQ(Ending("corpus", ".bad"), 1);
  ExpectUndisturbed(Run());
}

// The artifact exists already, and its splits are gone.
TEST_F(CorpusSurvivalTest, AFlippedBitFoundAfterTheCommitFailsTheJob) {
  ExpectDifference(Run(kSlowFlip));
  ExpectUndisturbed(Run());
}

}  // namespace
}  // namespace still::testing
