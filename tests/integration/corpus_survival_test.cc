// Builds a corpus by real ranks under a real mpirun and kills them. The corpus consists of the same files, whichever
// ranks make it and whatever dies on the way.
#include <bzlib.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/storage/files.h"
#include "tests/integration/undisturbed_run.h"

namespace {

namespace fs = std::filesystem;
using still::testing::Process;
using still::testing::ProcessResult;
using still::testing::TempDirectory;
using still::testing::TinyPipeline;
using ::testing::HasSubstr;
using ::testing::Not;

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
  xml += "</mediawiki>";
  std::string packed(xml.size() + 1000, '\0');
  auto size = static_cast<unsigned>(packed.size());
  EXPECT_EQ(BZ2_bzBuffToBuffCompress(packed.data(), &size, xml.data(), static_cast<unsigned>(xml.size()), 9, 0, 0),
            BZ_OK);
  packed.resize(size);
  return packed;
}

class CorpusSurvivalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    REQUIRE_DEMO_DATA();
    pipeline_ = Prepared(directory_.path());
  }

  static std::unique_ptr<TinyPipeline> Prepared(const std::string& directory) {
    auto pipeline = std::make_unique<TinyPipeline>(directory, still::testing::DemoData());
    const auto book = still::ReadFile(still::testing::DemoData() + "/books/milton/paradiselost.txt");
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
        std::string bytes = still::ReadFile(entry.path()).value();
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
  static const Files& Undisturbed() {
    static const Files* files = [] {
      const TempDirectory directory;
      const auto pipeline = Prepared(directory.path());
      const ProcessResult result = pipeline->Run({"--until", "corpus", "--ranks", "1"});
      EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
      return new Files(FilesOf(*pipeline));
    }();
    return *files;
  }

  static std::vector<std::string> Flags(const std::vector<std::string>& faults) {
    return still::testing::UntilWithFaults("corpus", faults);
  }
  ProcessResult Run(const std::vector<std::string>& faults = {}) { return pipeline_->Run(Flags(faults)); }

  // Expects that only the artifact is left, with the undisturbed files.
  void ExpectTheSameFiles(const ProcessResult& result) const {
    ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
    const Files files = FilesOf(*pipeline_);
    ASSERT_EQ(files.size(), Undisturbed().size());
    for (const auto& [name, bytes] : Undisturbed()) {
      ASSERT_TRUE(files.contains(name)) << name;
      EXPECT_TRUE(files.at(name) == bytes) << name;
    }
    for (const std::string& path : pipeline_->Artifacts("corpus")) {
      EXPECT_THAT(path, Not(HasSubstr(".building")));
      EXPECT_THAT(path, Not(HasSubstr(".splits")));
    }
  }
  // Expects that the job failed by two different results, and that no corpus stands.
  void ExpectDifference(const ProcessResult& failed) const {
    EXPECT_EQ(failed.exit_code, 3) << failed.out << failed.err;
    EXPECT_THAT(failed.err, HasSubstr("was computed twice with different results"));
    EXPECT_THAT(failed.err, HasSubstr("by rank 1"));
    EXPECT_TRUE(FilesOf(*pipeline_).empty());
  }
  // Returns a run that has made all input splits and takes a minute over the shard plan.
  std::unique_ptr<Process> WithAllSplitsMade() { return WithSplitsMade(kSplits, "*:*:corpus.plan:delay60000"); }
  std::unique_ptr<Process> WithSplitsMade(int wanted, const std::string& fault) {
    auto run = std::make_unique<Process>(pipeline_->Command(Flags({fault})));
    const auto splits = [&] {
      int made = 0;
      for (const std::string& path : pipeline_->Artifacts("corpus")) {
        if (!path.ends_with(".splits")) continue;
        const auto names = still::ListDirectory(path);
        if (!names.ok()) continue;
        for (const std::string& name : *names)
          made += name.starts_with("split-") && name.find('.') == std::string::npos ? 1 : 0;
      }
      return made;
    };
    while (run->Running() && splits() < wanted) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_TRUE(run->Running()) << run->Output();
    return run;
  }

  const TempDirectory directory_;
  std::unique_ptr<TinyPipeline> pipeline_;
};

// Rank 1 computes its split wrongly, and so slowly that another rank computes it as well.
const std::vector<std::string> kSlowFlip = {"1:1:corpus.split:delay4000", "1:1:corpus.result:flip",
                                            "*:*:corpus.split:delay100"};
constexpr const char* kAgain = "launched again";

TEST_F(CorpusSurvivalTest, TwoAndThreeRanksMakeWhatOneProcessMakes) {
  EXPECT_GT(Undisturbed().size(), 8U) << "several shards";
  ExpectTheSameFiles(Run());
  const TempDirectory other;
  pipeline_ = Prepared(other.path());
  pipeline_->Set("ranks", "2");
  ExpectTheSameFiles(Run());
}

TEST_F(CorpusSurvivalTest, SurvivorsFinishWithoutARankKilledInASplit) {
  const ProcessResult result = Run({"1:1:corpus.split:kill", "*:*:corpus.split:delay100"});
  ExpectTheSameFiles(result);
  EXPECT_THAT(result.err, HasSubstr("goes on in place with 2 ranks"));
  EXPECT_THAT(result.err, Not(HasSubstr(kAgain)));
}

TEST_F(CorpusSurvivalTest, SurvivorsFinishWithoutARankKilledInAShard) {
  const ProcessResult result = Run({"1:1:corpus.shard:kill", "*:*:corpus.shard:delay200"});
  ExpectTheSameFiles(result);
  EXPECT_THAT(result.err, HasSubstr("goes on in place with 2 ranks"));
  EXPECT_THAT(result.err, Not(HasSubstr(kAgain)));
}

TEST_F(CorpusSurvivalTest, AnotherRankTakesOverShardPlanAndCommit) {
  std::vector<std::string> faults;
  for (const std::string rank : {"0", "1"})  // one of them plans, one of them commits
    for (const std::string point : {"corpus.plan", "corpus.commit"}) faults.push_back(rank + ":*:" + point + ":kill");
  ExpectTheSameFiles(Run(faults));
}

// Each rank that gets the task dies of it. The next launch continues from there.
TEST_F(CorpusSurvivalTest, ANewLaunchContinuesWhenEveryRankDied) {
  pipeline_->Set("ranks", "2");
  const ProcessResult result = Run({"*:1:corpus.plan:kill", "*:1:corpus.commit:kill@2"});
  ExpectTheSameFiles(result);
  EXPECT_THAT(result.err, HasSubstr("launched again as generation"));
}

TEST_F(CorpusSurvivalTest, InModeRelaunchADeathCostsOneLaunch) {
  pipeline_->Set("recovery.mode", "relaunch");
  const ProcessResult result = Run({"1:1:corpus.split:kill", "*:*:corpus.split:delay100"});
  ExpectTheSameFiles(result);
  EXPECT_THAT(result.err, HasSubstr(kAgain));
}

TEST_F(CorpusSurvivalTest, SplitsOfAKilledRunAreNotMadeAgain) {
  const auto run = WithAllSplitsMade();
  run->SignalSelf(SIGKILL);
  run->Wait();
  ExpectTheSameFiles(Run({"*:*:corpus.split:error"}));
}

TEST_F(CorpusSurvivalTest, SplitsOfAnInterruptedRunAreNotMadeAgain) {
  const auto run = WithAllSplitsMade();
  run->SignalSelf(SIGINT);
  const ProcessResult interrupted = run->Wait();
  EXPECT_EQ(interrupted.exit_code, 5) << interrupted.err;
  EXPECT_THAT(interrupted.err, HasSubstr("run the same command again"));
  ExpectTheSameFiles(Run({"*:*:corpus.split:error"}));
}

// One rank builds the corpus in the agent itself, without mpirun.
TEST_F(CorpusSurvivalTest, OneRankContinuesAfterInterruptAndKill) {
  pipeline_->Set("ranks", "1");
  const auto run = WithSplitsMade(2, "*:*:corpus.split:delay200");
  run->SignalSelf(SIGINT);
  const ProcessResult interrupted = run->Wait();
  EXPECT_EQ(interrupted.exit_code, 5) << interrupted.err;
  EXPECT_THAT(interrupted.err, HasSubstr("run the same command again"));
  const ProcessResult killed = Run({"*:1:corpus.shard:kill"});
  EXPECT_EQ(killed.signal, SIGKILL) << killed.out << killed.err;
  ExpectTheSameFiles(Run({"*:*:corpus.split:error"}));
}

TEST_F(CorpusSurvivalTest, SurvivorsFinishWithoutARankThatHangsInASplit) {
  pipeline_->Set("recovery.hang_seconds", "1");
  const ProcessResult result = Run({"1:1:corpus.split:delay600000", "*:*:corpus.split:delay2500"});
  ExpectTheSameFiles(result);
  EXPECT_THAT(result.err, HasSubstr("rank 1 hung in tokenise; generation 2 goes on in place with 2 ranks"));
  EXPECT_THAT(result.err, Not(HasSubstr(kAgain)));
  const std::string log = still::ReadFile(pipeline_->artifacts() + "/runs/tiny/corpus.log").value();
  EXPECT_THAT(log, HasSubstr("stack of rank 1"));
  EXPECT_THAT(log, HasSubstr("rank 1 hangs in tokenise, for"));
}

TEST_F(CorpusSurvivalTest, ANewLaunchCommitsWhenEveryRankHangsInTheCommit) {
  pipeline_->Set("ranks", "2");
  pipeline_->Set("recovery.hang_seconds", "1");
  const ProcessResult result = Run({"*:1:corpus.commit:delay600000"});
  ExpectTheSameFiles(result);
  EXPECT_THAT(result.err, HasSubstr("hung in commit; generation 2 goes on in place with 1 rank"));
  EXPECT_THAT(result.err, HasSubstr(kAgain));
}

// One file takes a third of the time that a rank may be silent for. The whole artifact takes more than all of it.
TEST_F(CorpusSurvivalTest, ASlowDiskKillsNobody) {
  pipeline_->Set("recovery.hang_seconds", "1");
  const ProcessResult result = Run({"0:*:fsync:delay2000", "1:*:fsync:delay2000", "2:*:fsync:delay2000"});
  ExpectTheSameFiles(result);
  EXPECT_THAT(result.err, Not(HasSubstr("generation")));
}

TEST_F(CorpusSurvivalTest, AnotherRankAlsoComputesTheSplitOfAStraggler) {
  const ProcessResult result = Run({"1:1:corpus.split:delay4000", "*:*:corpus.split:delay100"});
  ExpectTheSameFiles(result);
  EXPECT_THAT(result.err, HasSubstr("corpus: rank 1 is slow"));
}

// Two executions of a split differ. No corpus is made from either, and the next run makes the split anew.
TEST_F(CorpusSurvivalTest, AFlippedBitFailsTheJobAndTheNextRunIsRight) {
  ExpectDifference(Run({kSlowFlip[0], kSlowFlip[1], kSlowFlip[2], "*:*:corpus.plan:delay6000"}));
  int set_aside = 0;
  for (const std::string& path : pipeline_->Artifacts("corpus")) set_aside += path.ends_with(".bad") ? 1 : 0;
  EXPECT_EQ(set_aside, 1);
  ExpectTheSameFiles(Run());
}

// The artifact exists already, and its splits are gone.
TEST_F(CorpusSurvivalTest, AFlippedBitFoundAfterTheCommitFailsTheJob) {
  ExpectDifference(Run(kSlowFlip));
  ExpectTheSameFiles(Run());
}

}  // namespace
