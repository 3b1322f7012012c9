// Computes targets by real ranks under a real mpirun and disturbs them. Shards are leased: a rank that dies, hangs, is
// slow or computes wrongly costs at most its shard, and the artifact equals the undisturbed one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/storage/files.h"
#include "tests/integration/undisturbed_run.h"
#include "tests/testing/process_tree.h"

namespace {

namespace fs = std::filesystem;
using still::testing::DescendantsNamed;
using still::testing::Process;
using still::testing::ProcessResult;
using still::testing::TempDirectory;
using still::testing::TinyPipeline;
using ::testing::HasSubstr;
using ::testing::Not;

// Holds a pipeline that is ready to compute targets in two dozen shards. No later stage runs.
class TargetsSurvivalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    REQUIRE_DEMO_DATA();
    pipeline_ = Prepared(directory_.path());
  }

  static std::unique_ptr<TinyPipeline> Prepared(const std::string& directory) {
    auto pipeline = std::make_unique<TinyPipeline>(directory, still::testing::DemoData());
    pipeline->Set("ranks", "3");
    pipeline->Set("corpus.sequences_per_shard", "16");
    pipeline->Set("targets.mask.variants", "2");
    return pipeline;
  }
  // Returns the manifest of an undisturbed run. It has the digest of every shard.
  static const std::string& UndisturbedManifest() {
    static const std::string* manifest = [] {
      const TempDirectory directory;
      const auto pipeline = Prepared(directory.path());
      const ProcessResult result = pipeline->Run({"--until", "targets", "--ranks", "1"});
      EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
      return new std::string(ManifestOf(*pipeline));
    }();
    return *manifest;
  }
  static std::string ManifestOf(const TinyPipeline& pipeline) {
    for (const std::string& path : pipeline.Artifacts("targets")) {
      const auto manifest = still::ReadFile(path + "/manifest.json");
      if (manifest.ok() && !path.ends_with(".building")) return *manifest;
    }
    return "no artifact";
  }

  static std::vector<std::string> Flags(const std::vector<std::string>& faults) {
    return still::testing::UntilWithFaults("targets", faults);
  }
  ProcessResult Run(const std::vector<std::string>& faults = {}) { return pipeline_->Run(Flags(faults)); }

  void ExpectSameShards(const ProcessResult& result) const {
    ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_EQ(ManifestOf(*pipeline_), UndisturbedManifest());
    for (const std::string& path : pipeline_->Artifacts("targets")) EXPECT_THAT(path, Not(HasSubstr(".building")));
  }

  const TempDirectory directory_;
  std::unique_ptr<TinyPipeline> pipeline_;
};

constexpr const char* kInPlace = "goes on in place with 2 ranks";
constexpr const char* kAgain = "launched again";

TEST_F(TargetsSurvivalTest, SurvivorsFinishWithoutARankKilledInAShard) {
  pipeline_->Set("recovery.mode", "inplace");
  const ProcessResult result = Run({"1:1:targets.record:kill", "*:*:targets.record:delay100"});
  ExpectSameShards(result);
  EXPECT_THAT(result.err, HasSubstr(kInPlace));
  EXPECT_THAT(result.err, Not(HasSubstr(kAgain)));
}

TEST_F(TargetsSurvivalTest, SurvivorsFinishWithoutTheLowestRankKilledAtSealing) {
  pipeline_->Set("recovery.mode", "inplace");
  const ProcessResult result = Run({"0:1:targets.seal:kill", "*:*:targets.record:delay100"});
  ExpectSameShards(result);
  EXPECT_THAT(result.err, HasSubstr(kInPlace));
}

TEST_F(TargetsSurvivalTest, TwoOfThreeMayDie) {
  pipeline_->Set("recovery.mode", "inplace");
  const ProcessResult result =
      Run({"0:1:targets.record:kill", "2:2:targets.record:kill", "*:*:targets.record:delay100"});
  ExpectSameShards(result);
  EXPECT_THAT(result.err, HasSubstr("goes on in place with 1 rank"));
  EXPECT_THAT(result.err, Not(HasSubstr(kAgain)));
}

TEST_F(TargetsSurvivalTest, AnotherRankTakesOverTheCommit) {
  pipeline_->Set("recovery.mode", "inplace");
  ExpectSameShards(Run({"0:*:targets.commit:kill", "1:*:targets.commit:kill"}));  // one of them commits
}

TEST_F(TargetsSurvivalTest, InModeRelaunchADeathCostsOneLaunchAndSealedShardsStay) {
  pipeline_->Set("recovery.mode", "relaunch");
  const ProcessResult result = Run({"1:1:targets.record:kill", "*:*:targets.record:delay100"});
  ExpectSameShards(result);
  EXPECT_THAT(result.err, HasSubstr(kAgain));
}

TEST_F(TargetsSurvivalTest, ASignalFromOutsideCostsOneRankOnly) {
  pipeline_->Set("recovery.mode", "inplace");
  Process run(pipeline_->Command(Flags({"*:*:targets.record:delay100"})));
  const auto sealed = [&] {
    for (const std::string& path : pipeline_->Artifacts("targets"))
      if (fs::exists(path + "/shard-00000")) return true;
    return false;
  };
  while (run.Running() && !sealed()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const auto ranks = DescendantsNamed(run.pid(), "still-worker");
  ASSERT_EQ(ranks.size(), 3U) << run.Output();
  kill(ranks[1], SIGKILL);
  const ProcessResult result = run.Wait();
  ExpectSameShards(result);
  EXPECT_THAT(result.err, HasSubstr(kInPlace));
}

TEST_F(TargetsSurvivalTest, SurvivorsFinishWithoutARankThatHangsInAShard) {
  pipeline_->Set("recovery.mode", "inplace");
  pipeline_->Set("recovery.hang_seconds", "2");
  pipeline_->Set("recovery.hang_factor", "1");
  const ProcessResult result = Run({"1:4:targets.record:delay600000", "*:*:targets.record:delay600"});
  ExpectSameShards(result);
  EXPECT_THAT(result.err, HasSubstr("rank 1 hung in inference"));
  EXPECT_THAT(result.err, HasSubstr(kInPlace));
  EXPECT_THAT(result.err, Not(HasSubstr(kAgain)));
  const std::string log = still::ReadFile(pipeline_->artifacts() + "/runs/tiny/targets.log").value();
  EXPECT_THAT(log, HasSubstr("stack of rank 1"));
  EXPECT_THAT(log, HasSubstr("rank 1 hangs in inference, batch 0, for"));
}

TEST_F(TargetsSurvivalTest, SoIsOneThatHangsWhenItSealsIt) {
  pipeline_->Set("recovery.mode", "inplace");
  pipeline_->Set("recovery.hang_seconds", "1");
  const ProcessResult result = Run({"1:1:targets.seal:delay600000", "*:*:targets.record:delay1000"});
  ExpectSameShards(result);
  EXPECT_THAT(result.err, HasSubstr("rank 1 hung in seal"));
  EXPECT_THAT(result.err, HasSubstr(kInPlace));
  EXPECT_THAT(result.err, Not(HasSubstr(kAgain)));
}

TEST_F(TargetsSurvivalTest, AStragglersShardIsDoneByAnotherAsWell) {
  const ProcessResult result = Run({"1:1:targets.record:delay4000", "*:*:targets.record:delay100"});
  ExpectSameShards(result);
  EXPECT_THAT(result.err, HasSubstr("targets: rank 1 is slow"));
}

// Two executions of a shard that differ: nothing is trained from either, and the next run computes it anew.
TEST_F(TargetsSurvivalTest, AFlippedBitFailsTheJobWithBothRanksAndTheNextRunIsRight) {
  const ProcessResult failed =
      Run({"1:1:targets.record:delay4000", "1:1:targets.result:flip", "*:*:targets.record:delay100"});
  EXPECT_EQ(failed.exit_code, 3) << failed.out << failed.err;
  EXPECT_THAT(failed.err, HasSubstr("was computed twice with different results"));
  EXPECT_THAT(failed.err, HasSubstr("by rank 1"));
  EXPECT_EQ(ManifestOf(*pipeline_), "no artifact");
  int set_aside = 0;
  for (const std::string& path : pipeline_->Artifacts("targets")) set_aside += path.ends_with(".bad") ? 1 : 0;
  EXPECT_EQ(set_aside, 1);
  ExpectSameShards(Run());
}

}  // namespace
