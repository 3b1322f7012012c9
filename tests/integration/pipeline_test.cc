// Runs the whole pipeline by its real binaries. It gives the same bits for any number of ranks, reuses artifacts, and
// survives SIGKILL in every stage.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "common/storage/files.h"
#include "tests/integration/undisturbed_run.h"
#include "tests/testing/small_disk.h"
#include "tests/testing/temp_directory.h"
#include "tests/testing/tiny_pipeline.h"

namespace {

namespace fs = std::filesystem;
using still::testing::ProcessResult;
using still::testing::SmallDisk;
using still::testing::StartAt;
using still::testing::TempDirectory;
using still::testing::TinyPipeline;
using still::testing::UndisturbedDigest;

class PipelineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    REQUIRE_DEMO_DATA();
    pipeline_.emplace(directory_.path(), still::testing::DemoData());
  }

  const TempDirectory directory_;
  std::optional<TinyPipeline> pipeline_;
};

// Expects that every artifact under a final name is complete.
void ExpectNoPartialArtifacts(const TinyPipeline& pipeline) {
  for (const char* kind : {"corpus", "teacher", "targets", "student", "report", "export"}) {
    for (const std::string& path : pipeline.Artifacts(kind)) {
      if (path.find(".partial-") != std::string::npos || path.ends_with(".building")) continue;
      EXPECT_TRUE(fs::exists(path + "/summary.json") || std::string(kind) == "export") << path;
      EXPECT_TRUE(fs::exists(path + "/identity.txt")) << path;
    }
  }
}

TEST_F(PipelineTest, WeightsAreTheSameBitsForOneTwoAndThreeRanks) {
  ASSERT_FALSE(UndisturbedDigest().empty());
  for (const char* ranks : {"1", "3"}) {
    const TempDirectory directory;
    TinyPipeline pipeline(directory.path(), still::testing::DemoData());
    const ProcessResult result = pipeline.Run({"--ranks", ranks});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(pipeline.StudentDigest(), UndisturbedDigest()) << ranks << " ranks";
  }
}

// bf16 uses other kernels than fp32, and accumulates the gradient of the decoder in another way.
TEST_F(PipelineTest, WeightsInBf16AreTheSameBitsForOneAndThreeRanks) {
  if (!__builtin_cpu_supports("avx512bf16")) GTEST_SKIP() << "this CPU multiplies no bf16";
  std::set<std::string> digests;
  for (const char* ranks : {"1", "3"}) {
    const TempDirectory directory;
    TinyPipeline pipeline(directory.path(), still::testing::DemoData());
    pipeline.Set("precision", "bf16");
    const ProcessResult result = pipeline.Run({"--ranks", ranks});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    digests.insert(pipeline.StudentDigest());
  }
  EXPECT_EQ(digests.size(), 1u);
  EXPECT_FALSE(digests.contains(UndisturbedDigest()));
}

TEST_F(PipelineTest, AnotherSeedGivesOtherWeightsFromTheSameCorpus) {
  StartAt("teacher", *pipeline_);
  pipeline_->Set("seed", "57");
  const ProcessResult result = pipeline_->Run();
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(pipeline_->StudentDigest(), UndisturbedDigest());
}

TEST_F(PipelineTest, SecondRunReusesEverything) {
  StartAt("", *pipeline_);
  const auto before = fs::last_write_time(pipeline_->Artifacts("student").at(0));
  const ProcessResult again = pipeline_->Run({"--ranks", "3"});
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(fs::last_write_time(pipeline_->Artifacts("student").at(0)), before);
  EXPECT_EQ(pipeline_->Artifacts("student").size(), 1u);
  ExpectNoPartialArtifacts(*pipeline_);
}

TEST_F(PipelineTest, CheckRunsNothing) {
  const ProcessResult result = pipeline_->Run({"--check"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(pipeline_->Artifacts("corpus").empty());
}

struct Kill {
  const char* point;
  const char* step;
  const char* kind;  // of artifact its stage makes
};

class KillTest : public PipelineTest, public ::testing::WithParamInterface<Kill> {};

// A worker that reaches the point kills itself with SIGKILL. The run recovers from that.
TEST_P(KillTest, EndsInTheSameBits) {
  StartAt(GetParam().kind, *pipeline_);
  const std::string fault = std::string("*:") + GetParam().step + ":" + GetParam().point + ":kill";
  const ProcessResult killed = pipeline_->Run({"--fault", fault});
  ASSERT_EQ(killed.exit_code, 0) << killed.out << killed.err;
  EXPECT_NE(killed.err.find("generation"), std::string::npos) << "nothing was recovered from:\n" << killed.err;
  EXPECT_EQ(pipeline_->StudentDigest(), UndisturbedDigest());
  ExpectNoPartialArtifacts(*pipeline_);
}

INSTANTIATE_TEST_SUITE_P(EveryStage, KillTest,
                         ::testing::Values(Kill{"corpus.shard", "1", "corpus"}, Kill{"corpus.commit", "1", "corpus"},
                                           Kill{"teacher.compute", "4", "teacher"},
                                           Kill{"teacher.commit", "*", "teacher"},
                                           Kill{"targets.record", "2", "targets"}, Kill{"targets.seal", "2", "targets"},
                                           Kill{"targets.commit", "1", "targets"}, Kill{"train.commit", "*", "student"},
                                           Kill{"evaluate.commit", "1", "report"},
                                           Kill{"export.commit", "1", "export"}),
                         [](const auto& test) {
                           std::string name = test.param.point;
                           for (char& c : name) c = c == '.' ? 'X' : c;
                           return name;
                         });

// SIGKILL hits `still` itself while the workers train. They die with it, and the next run finishes.
TEST_F(PipelineTest, KillingTheDriverInMidTrainingLosesNothing) {
  StartAt("student", *pipeline_);
  {
    still::testing::Process run(pipeline_->Command());
    const auto checkpointed = [&] {
      for (const std::string& job : pipeline_->Artifacts("checkpoints")) {
        const auto steps = still::ListDirectory(job);
        if (!steps.ok()) continue;
        for (const std::string& name : *steps) {
          if (name.starts_with("step-") && name.find(".partial-") == std::string::npos) return true;
        }
      }
      return false;
    };
    while (run.Running() && !checkpointed()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ASSERT_TRUE(run.Running()) << run.Output();
    run.SignalSelf(SIGKILL);
    run.Wait();
  }
  const ProcessResult result = pipeline_->Run();
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(pipeline_->StudentDigest(), UndisturbedDigest());
}

// A run on a full disk exits 3 with one error. Once there is space the same command finishes in the same bits.
TEST_F(PipelineTest, FullDiskIsOneClearErrorAndTheRunGoesOnAfterwards) {
  const SmallDisk disk(pipeline_->artifacts(), "12m");  // for what is there, not for a student
  if (!disk.mounted()) GTEST_SKIP() << "mounting a small file system needs root";
  StartAt("student", *pipeline_);
  const ProcessResult full = pipeline_->Run();
  EXPECT_EQ(full.exit_code, 3) << full.out << full.err;
  EXPECT_NE(full.err.find(pipeline_->artifacts()), std::string::npos) << full.err;
  ExpectNoPartialArtifacts(*pipeline_);
  disk.Grow("1g");
  const ProcessResult result = pipeline_->Run();
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(pipeline_->StudentDigest(), UndisturbedDigest());
}

}  // namespace
