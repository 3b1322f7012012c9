// Computes targets by real ranks under a real mpirun and disturbs them. Shards are leased: a rank that dies, hangs, is
// slow or computes wrongly costs at most its shard, and the artifact equals the undisturbed one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/storage/files.h"
#include "tests/integration/survival_fixture.h"
#include "tests/testing/process_tree.h"

namespace still::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// Holds a pipeline that is ready to compute targets in two dozen shards. No later stage runs.
class TargetsSurvivalTest : public SurvivalFixture, public ::testing::WithParamInterface<FaultCase> {
 protected:
  TargetsSurvivalTest() : SurvivalFixture("targets") {}

  std::unique_ptr<TinyPipeline> Prepared(const std::string& directory) const override {
    auto pipeline = std::make_unique<TinyPipeline>(directory, DemoData());
    pipeline->Set("ranks", "3");
    pipeline->Set("corpus.sequences_per_shard", "16");
    pipeline->Set("targets.mask.variants", "2");
    return pipeline;
  }
  // Returns the manifest of an undisturbed run. It has the digest of every shard.
  const std::string& UndisturbedManifest() const {
    static const std::string* manifest = [this] {
      const TempDirectory directory;
      const auto pipeline = Prepared(directory.path());
      const ProcessResult result = pipeline->Run({"--until", "targets", "--ranks", "1"});
      EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
      return new std::string(pipeline->TargetsManifest());
    }();
    return *manifest;
  }
  void ExpectUndisturbed(const ProcessResult& result) override {
    ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_EQ(pipeline_->TargetsManifest(), UndisturbedManifest());
    EXPECT_EQ(Ending("targets", ".building"), 0);
  }
};

TEST_P(TargetsSurvivalTest, EndsInTheSameShards) { Survive(GetParam()); }

std::vector<FaultCase> Cases() {
  const Setting in_place = {"recovery.mode", "inplace"};
  const std::string slow = "*:*:targets.record:delay100";
  return {
      {"KilledInAShard", {in_place}, {"1:1:targets.record:kill", slow}, kOnlyInPlace, "with 2 ranks"},
      {"LowestRankKilledAtSealing", {in_place}, {"0:1:targets.seal:kill", slow}, kInPlace, "with 2 ranks"},
      {"TwoOfThreeKilled",
       {in_place},
       {"0:1:targets.record:kill", "2:2:targets.record:kill", slow},
       kOnlyInPlace,
       "with 1 rank"},
      // One of two ranks commits. Another takes over.
      {"TakesOverTheCommit", {in_place}, {"0:*:targets.commit:kill", "1:*:targets.commit:kill"}, kAny},
      {"InModeRelaunch", {{"recovery.mode", "relaunch"}}, {"1:1:targets.record:kill", slow}, kAgain},
      {"HangsAtSealing",
       {in_place, {"recovery.hang_seconds", "1"}},
       {"1:1:targets.seal:delay600000", "*:*:targets.record:delay1000"},
       kOnlyInPlace,
       "rank 1 hung in seal"},
      {"Straggler", {}, {"1:1:targets.record:delay4000", slow}, kAny, "rank 1 is slow"},
  };
}

INSTANTIATE_TEST_SUITE_P(All, TargetsSurvivalTest, ::testing::ValuesIn(Cases()), NameOf);

TEST_F(TargetsSurvivalTest, ASignalFromOutsideCostsOneRankOnly) {
  pipeline_->Set("recovery.mode", "inplace");
  const auto sealed = [&] {
    for (const std::string& path : pipeline_->Artifacts("targets"))
      if (fs::exists(path + "/shard-00000")) return true;
    return false;
  };
  const auto run = StartUntil({"*:*:targets.record:delay100"}, sealed);
  const auto ranks = DescendantsNamed(run->pid(), "still-worker");
  ASSERT_EQ(ranks.size(), 3U) << run->Output();
  kill(ranks[1], SIGKILL);
  const ProcessResult result = run->Wait();
  ExpectUndisturbed(result);
  EXPECT_TRUE(RecoveredInPlace(result)) << result.err;
}

TEST_F(TargetsSurvivalTest, TheLogShowsWhereARankHung) {
  Survive({"HangsInAShard",
           {{"recovery.mode", "inplace"}, {"recovery.hang_seconds", "2"}, {"recovery.hang_factor", "1"}},
           {"1:4:targets.record:delay600000", "*:*:targets.record:delay600"},
           kOnlyInPlace,
           "rank 1 hung in inference"});
  EXPECT_THAT(Log(), HasSubstr("stack of rank 1"));
  EXPECT_THAT(Log(), HasSubstr("inference, batch 0"));
}

// Two executions of a shard that differ: nothing is trained from either, and the next run computes it anew.
TEST_F(TargetsSurvivalTest, AFlippedBitFailsTheJobWithBothRanksAndTheNextRunIsRight) {
  const ProcessResult failed =
      Run({"1:1:targets.record:delay4000", "1:1:targets.result:flip", "*:*:targets.record:delay100"});
  EXPECT_EQ(failed.exit_code, 3) << failed.out << failed.err;
  EXPECT_THAT(failed.err, HasSubstr("by rank 1"));
  EXPECT_EQ(pipeline_->TargetsManifest(), "");
  EXPECT_EQ(Ending("targets", ".bad"), 1);
  ExpectUndisturbed(Run());
}

}  // namespace
}  // namespace still::testing
