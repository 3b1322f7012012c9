// The whole chain by its real binaries: same bits for any number of ranks, reuse, and survival of SIGKILL in every
// stage.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>

#include <chrono>
#include <filesystem>
#include <set>
#include <string>
#include <thread>

#include "common/files.h"
#include "tests/testing/temp_directory.h"
#include "tests/testing/tiny_pipeline.h"

namespace {

namespace fs = std::filesystem;
using still::testing::ProcessResult;
using still::testing::TempDirectory;
using still::testing::TinyPipeline;

#define REQUIRE_DEMO_DATA() \
  if (still::testing::DemoData().empty()) GTEST_SKIP() << "no demo data: run scripts/fetch_demo_data.sh"

// Everything that was made under a final name once, made in full.
void ExpectNoPartialArtifacts(const TinyPipeline& pipeline) {
  for (const char* kind : {"corpus", "teacher", "targets", "student", "report", "export"}) {
    for (const std::string& path : pipeline.Artifacts(kind)) {
      if (path.find(".partial-") != std::string::npos || path.ends_with(".building")) continue;
      EXPECT_TRUE(fs::exists(path + "/summary.json") || std::string(kind) == "export") << path;
      EXPECT_TRUE(fs::exists(path + "/identity.txt")) << path;
    }
  }
}

// The run nobody touched: made once, its digest and its artifacts serve every case.
struct Undisturbed {
  Undisturbed() : pipeline(directory.path(), still::testing::DemoData()), result(pipeline.Run()) {}
  TempDirectory directory;
  TinyPipeline pipeline;
  ProcessResult result;
};

const Undisturbed& TheUndisturbed() {
  static const Undisturbed* run = new Undisturbed;
  EXPECT_EQ(run->result.exit_code, 0) << run->result.out << run->result.err;
  return *run;
}

std::string UndisturbedDigest() { return TheUndisturbed().pipeline.StudentDigest(); }

// Gives `pipeline` the undisturbed run's artifacts of all kinds before `kind`, so that it starts there.
void StartAt(const std::string& kind, const TinyPipeline& pipeline) {
  for (const char* earlier : {"corpus", "teacher", "targets", "student", "report", "export"}) {
    if (kind == earlier) return;
    fs::create_directories(pipeline.artifacts());
    fs::copy(TheUndisturbed().pipeline.artifacts() + "/" + earlier, pipeline.artifacts() + "/" + earlier,
             fs::copy_options::recursive);
  }
}

TEST(PipelineTest, WeightsAreTheSameBitsForOneTwoAndThreeRanks) {
  REQUIRE_DEMO_DATA();
  ASSERT_FALSE(UndisturbedDigest().empty());
  for (const char* ranks : {"1", "3"}) {
    const TempDirectory directory;
    TinyPipeline pipeline(directory.path(), still::testing::DemoData());
    const ProcessResult result = pipeline.Run({"--ranks", ranks});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(pipeline.StudentDigest(), UndisturbedDigest()) << ranks << " ranks";
  }
}

// Other kernels and another accumulation of the decoder's gradient than fp32's.
TEST(PipelineTest, WeightsInBf16AreTheSameBitsForOneAndThreeRanks) {
  REQUIRE_DEMO_DATA();
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

TEST(PipelineTest, AnotherSeedGivesOtherWeightsFromTheSameCorpus) {
  REQUIRE_DEMO_DATA();
  const TempDirectory directory;
  TinyPipeline pipeline(directory.path(), still::testing::DemoData());
  StartAt("teacher", pipeline);
  pipeline.Set("seed", "57");
  const ProcessResult result = pipeline.Run();
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(pipeline.StudentDigest(), UndisturbedDigest());
}

TEST(PipelineTest, SecondRunReusesEverything) {
  REQUIRE_DEMO_DATA();
  const TempDirectory directory;
  TinyPipeline pipeline(directory.path(), still::testing::DemoData());
  StartAt("", pipeline);
  const auto before = fs::last_write_time(pipeline.Artifacts("student").at(0));
  const ProcessResult again = pipeline.Run({"--ranks", "3"});
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(fs::last_write_time(pipeline.Artifacts("student").at(0)), before);
  EXPECT_EQ(pipeline.Artifacts("student").size(), 1u);
  ExpectNoPartialArtifacts(pipeline);
}

TEST(PipelineTest, CheckRunsNothing) {
  REQUIRE_DEMO_DATA();
  const TempDirectory directory;
  TinyPipeline pipeline(directory.path(), still::testing::DemoData());
  const ProcessResult result = pipeline.Run({"--check"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(pipeline.Artifacts("corpus").empty());
}

struct Kill {
  const char* point;
  int nth;
  const char* kind;  // of artifact its stage makes
};

class KillTest : public ::testing::TestWithParam<Kill> {};

// A process that passes the point kills itself with SIGKILL; the run fails; the same command finishes it.
TEST_P(KillTest, TheNextRunEndsInTheSameBits) {
  REQUIRE_DEMO_DATA();
  const TempDirectory directory;
  TinyPipeline pipeline(directory.path(), still::testing::DemoData());
  StartAt(GetParam().kind, pipeline);
  const std::string fault = std::string(GetParam().point) + ":" + std::to_string(GetParam().nth) + ":kill";
  const ProcessResult killed = pipeline.Run({}, {{"STILL_FAULT", fault}});
  EXPECT_NE(killed.exit_code, 0) << "the fault point was not passed\n" << killed.out << killed.err;
  ExpectNoPartialArtifacts(pipeline);
  const ProcessResult result = pipeline.Run();
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(pipeline.StudentDigest(), UndisturbedDigest());
  ExpectNoPartialArtifacts(pipeline);
}

INSTANTIATE_TEST_SUITE_P(EveryStage, KillTest,
                         ::testing::Values(Kill{"corpus.shard", 1, "corpus"}, Kill{"corpus.commit", 1, "corpus"},
                                           Kill{"teacher.step", 4, "teacher"}, Kill{"teacher.commit", 1, "teacher"},
                                           Kill{"targets.record", 2, "targets"}, Kill{"targets.seal", 2, "targets"},
                                           Kill{"targets.commit", 1, "targets"}, Kill{"train.step", 5, "student"},
                                           Kill{"checkpoint.write", 2, "student"},
                                           Kill{"checkpoint.commit", 2, "student"},
                                           Kill{"train.optimizer", 4, "student"}, Kill{"train.commit", 1, "student"},
                                           Kill{"evaluate.commit", 1, "report"}, Kill{"export.commit", 1, "export"}),
                         [](const auto& test) {
                           std::string name = test.param.point;
                           for (char& c : name) c = c == '.' ? 'X' : c;
                           return name + "X" + std::to_string(test.param.nth);
                         });

// SIGKILL of `still` itself while the workers train: they die with it, and the next run finishes.
TEST(PipelineTest, KillingTheDriverInMidTrainingLosesNothing) {
  REQUIRE_DEMO_DATA();
  const TempDirectory directory;
  TinyPipeline pipeline(directory.path(), still::testing::DemoData());
  StartAt("student", pipeline);
  {
    still::testing::Process run(pipeline.Command());
    const auto checkpointed = [&] {
      for (const std::string& job : pipeline.Artifacts("checkpoints")) {
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
  const ProcessResult result = pipeline.Run();
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(pipeline.StudentDigest(), UndisturbedDigest());
}

// A small file system of its own under the artifacts, which can grow.
class SmallDisk {
 public:
  SmallDisk(const std::string& path, const char* size) : path_(path) {
    fs::create_directories(path);
    mounted_ = mount("tmpfs", path.c_str(), "tmpfs", 0, (std::string("size=") + size).c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  void Grow(const char* size) const {
    EXPECT_EQ(mount("tmpfs", path_.c_str(), "tmpfs", MS_REMOUNT, (std::string("size=") + size).c_str()), 0);
  }

 private:
  std::string path_;
  bool mounted_ = false;
};

// A run that cannot go on says so and exits 3; once the cause is gone the same command finishes in the same bits.
TEST(PipelineTest, FullDiskIsOneClearErrorAndTheRunGoesOnAfterwards) {
  REQUIRE_DEMO_DATA();
  const TempDirectory directory;
  TinyPipeline pipeline(directory.path(), still::testing::DemoData());
  const SmallDisk disk(pipeline.artifacts(), "40m");
  if (!disk.mounted()) GTEST_SKIP() << "mounting a small file system needs root";
  StartAt("student", pipeline);
  const ProcessResult full = pipeline.Run();
  EXPECT_EQ(full.exit_code, 3) << full.out << full.err;
  EXPECT_NE(full.err.find("free space"), std::string::npos) << full.err;
  EXPECT_NE(full.err.find(pipeline.artifacts()), std::string::npos) << full.err;
  ExpectNoPartialArtifacts(pipeline);
  disk.Grow("1g");
  const ProcessResult result = pipeline.Run();
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(pipeline.StudentDigest(), UndisturbedDigest());
}

}  // namespace
