// Trains by real ranks under a real mpirun and disturbs them with faults and signals. Every `still run` ends in the
// bits of the undisturbed run.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "common/storage/checkpoint.h"
#include "common/storage/files.h"
#include "tests/integration/undisturbed_run.h"
#include "tests/testing/process_tree.h"
#include "tests/testing/small_disk.h"

namespace {

namespace fs = std::filesystem;
using still::testing::Descendants;
using still::testing::DescendantsNamed;
using still::testing::Process;
using still::testing::ProcessResult;
using still::testing::SmallDisk;
using still::testing::StartAt;
using still::testing::TempDirectory;
using still::testing::TheUndisturbed;
using still::testing::TinyPipeline;
using still::testing::UndisturbedDigest;

// Holds a pipeline that is ready to train the student. No later stage runs.
class SurvivalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    REQUIRE_DEMO_DATA();
    pipeline_ = std::make_unique<TinyPipeline>(directory_.path(), still::testing::DemoData());
    StartAt("student", *pipeline_);
    pipeline_->Set("ranks", "3");
    pipeline_->Set("recovery.hang_seconds", "2");
    pipeline_->Set("recovery.snapshot_directory", directory_ / "memory");
    fs::create_directories(directory_ / "memory");
  }

  static std::vector<std::string> Flags(const std::vector<std::string>& faults) {
    return still::testing::UntilWithFaults("train", faults);
  }
  ProcessResult Train(const std::vector<std::string>& faults = {}) { return pipeline_->Run(Flags(faults)); }

  // Expects success, with the weights and optimizer state of the undisturbed run.
  void ExpectSameBits(const ProcessResult& result) const {
    ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_EQ(pipeline_->StudentDigest(), UndisturbedDigest());
    EXPECT_EQ(FinalHash(*pipeline_), FinalHash(TheUndisturbed().pipeline));
    EXPECT_TRUE(fs::is_empty(directory_ / "memory")) << "snapshots outlive their use";
  }
  static std::string FinalHash(const TinyPipeline& pipeline) {
    for (const std::string& job : pipeline.Artifacts("checkpoints")) {
      if (!fs::exists(pipeline.artifacts() + "/student/" + fs::path(job).filename().string())) continue;
      const auto newest = still::ListCheckpoints(job);
      if (!newest.ok() || newest->empty()) return "no checkpoint";
      const auto hash = still::CheckpointHash(newest->front());
      return hash.ok() ? *hash : hash.status().ToString();
    }
    return "no job";
  }
  // Runs until the current launch has committed a step, then calls `disturb`. Returns how the run ended.
  ProcessResult Disturb(const std::function<void(Process&)>& disturb) {
    Process run(pipeline_->Command(Flags({"*:*:compute:delay30"})));
    while (run.Running() && !Snapshot()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    EXPECT_TRUE(run.Running()) << run.Output();
    disturb(run);
    return run.Wait();
  }
  // Returns the checkpoints with a manifest, newest first.
  std::vector<std::string> Published() const {
    std::vector<std::string> published;
    for (const std::string& job : pipeline_->Artifacts("checkpoints")) {
      for (const std::string& path : still::ListCheckpoints(job).value()) {
        if (still::ReadManifest(path).ok()) published.push_back(path);
      }
    }
    return published;
  }
  bool Snapshot() const { return !fs::is_empty(directory_ / "memory"); }

  const TempDirectory directory_;
  std::unique_ptr<TinyPipeline> pipeline_;
};

struct Case {
  std::string name;
  std::string mode;                 // of recovery
  std::vector<std::string> faults;  // as --fault takes them
  std::string words;                // that the output must contain
  std::vector<std::pair<std::string, std::string>> settings;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.mode << " " << c.name; }

class FaultTest : public SurvivalTest, public ::testing::WithParamInterface<Case> {};

TEST_P(FaultTest, EndsInTheSameBits) {
  pipeline_->Set("recovery.mode", GetParam().mode);
  for (const auto& [key, value] : GetParam().settings) pipeline_->Set(key, value);
  const ProcessResult result = Train(GetParam().faults);
  ExpectSameBits(result);
  EXPECT_NE((result.out + result.err).find(GetParam().words), std::string::npos) << result.out << result.err;
}

constexpr const char* kInPlace = "in place";
constexpr const char* kAgain = "launched again";

// Kills one rank, every rank and the lowest rank, at every point of a step and of a checkpoint; two at once; during the
// recovery; in the second launch as well.
std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const char* fault : {"1:2:compute:kill", "0:3:compute:kill", "2:1:reduce:kill", "1:4:vote:kill",
                            "0:2:optimizer:kill", "1:3:snapshot:kill"}) {
    std::string name = fault;
    std::ranges::replace(name, ':', '_');
    cases.push_back({"InPlace_" + name, "inplace", {fault}, kInPlace, {}});
    cases.push_back({"Relaunch_" + name, "relaunch", {fault}, kAgain, {}});
  }
  cases.push_back({"TwoAtOnce", "inplace", {"0:2:compute:kill", "2:2:compute:kill"}, kInPlace, {}});
  cases.push_back({"AllAtOnce", "inplace", {"*:3:reduce:kill"}, kAgain, {}});
  cases.push_back({"AllButOne", "inplace", {"1:1:vote:kill", "2:3:vote:kill"}, kInPlace, {}});
  cases.push_back({"InTheRecovery", "inplace", {"1:2:compute:kill", "2:2:recover:kill"}, kInPlace, {}});
  cases.push_back({"EveryoneInTheRecovery", "inplace", {"1:2:compute:kill", "*:2:recover:kill"}, kAgain, {}});
  cases.push_back({"InTheRestoreOfTheNextLaunch", "relaunch", {"1:2:compute:kill", "0:*:restore:kill@2"}, kAgain, {}});
  cases.push_back({"AtShutdown", "relaunch", {"1:*:shutdown:kill"}, "", {}});
  cases.push_back({"WhileWriting", "relaunch", {"0:*:checkpoint.write:kill"}, kAgain, {}});
  cases.push_back({"BeforeTheSync", "inplace", {"0:*:checkpoint.fsync:kill"}, kInPlace, {}});
  cases.push_back({"BeforeTheRename", "relaunch", {"0:*:checkpoint.rename:kill"}, kAgain, {}});
  cases.push_back({"BeforeThePublishing", "relaunch", {"0:*:publish:kill"}, kAgain, {}});
  cases.push_back({"TornBeforeThePublishing",
                   "relaunch",
                   {"0:*:checkpoint.write:torn"},
                   kAgain,
                   {{"recovery.snapshot_directory", "none"}, {"train.checkpoint_steps", "1"}}});
  cases.push_back({"StoppedInCompute", "inplace", {"1:5:compute:stop"}, kInPlace, {}});
  cases.push_back({"StoppedInReduce", "relaunch", {"1:5:reduce:stop"}, kAgain, {}});
  cases.push_back({"HangsInCompute", "inplace", {"2:5:compute:delay60000"}, "hung", {}});
  cases.push_back({"FiveTimesAsSlow", "inplace", {"1:*:compute:delay40"}, "", {}});
  cases.push_back({"NoSpaceForCheckpoints",
                   "inplace",
                   {"*:2:checkpoint.write:enospc", "*:3:checkpoint.write:enospc", "*:4:checkpoint.write:enospc"},
                   "",
                   {{"train.checkpoint_steps", "1"}}});
  cases.push_back({"WithoutMemoryForSnapshots",
                   "relaunch",
                   {"1:5:compute:kill"},
                   kAgain,
                   {{"recovery.snapshot_directory", "/nowhere"}}});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(All, FaultTest, ::testing::ValuesIn(Cases()),
                         [](const auto& test) { return test.param.name; });

// Signals from outside arrive at no particular point.
TEST_F(SurvivalTest, KillingAGuardianEndsItsRankOnly) {
  const ProcessResult result = Disturb([](Process& run) {
    const auto guardians = DescendantsNamed(run.pid(), "still-guardian");
    ASSERT_EQ(guardians.size(), 3U);
    kill(guardians[1], SIGKILL);
  });
  ExpectSameBits(result);
  EXPECT_NE(result.err.find(kInPlace), std::string::npos) << result.err;
}

TEST_F(SurvivalTest, KillingMpirunCostsOneLaunch) {
  const ProcessResult result = Disturb([](Process& run) {
    const auto children = Descendants(run.pid());
    ASSERT_FALSE(children.empty());
    kill(children.front().pid, SIGKILL);
  });
  ExpectSameBits(result);
  EXPECT_NE(result.err.find(kAgain), std::string::npos) << result.err;
}

TEST_F(SurvivalTest, KillingEveryRankAtOnceCostsOneLaunch) {
  const ProcessResult result = Disturb([](Process& run) {
    for (const pid_t rank : DescendantsNamed(run.pid(), "still-worker")) kill(rank, SIGKILL);
  });
  ExpectSameBits(result);
}

// Workers die with `still`. The next run continues with another number of ranks.
TEST_F(SurvivalTest, RanksChangeFromOneToThreeToTwoAcrossKills) {
  pipeline_->Set("ranks", "1");
  Disturb([](Process& run) { run.SignalSelf(SIGKILL); });
  pipeline_->Set("ranks", "3");
  Disturb([](Process& run) { run.SignalSelf(SIGKILL); });
  pipeline_->Set("ranks", "2");
  ExpectSameBits(Train());
}

TEST_F(SurvivalTest, AnInterruptLeavesACheckpointAndTheNextRunContinues) {
  const ProcessResult stopped = Disturb([](Process& run) { run.SignalSelf(SIGTERM); });
  EXPECT_EQ(stopped.exit_code, 5) << stopped.err;
  EXPECT_NE(stopped.err.find("stopped after step"), std::string::npos) << stopped.err;
  EXPECT_FALSE(Snapshot()) << "what is published needs no memory";
  ExpectSameBits(Train());
}

// A rank that gets SIGTERM (a scheduler's preemption) ends the run in the same orderly way.
TEST_F(SurvivalTest, ARankThatIsAskedToEndStopsTheRunAfterItsStep) {
  const ProcessResult stopped = Disturb([](Process& run) {
    const auto ranks = DescendantsNamed(run.pid(), "still-worker");
    ASSERT_EQ(ranks.size(), 3U);
    kill(ranks[1], SIGTERM);
  });
  EXPECT_EQ(stopped.exit_code, 5) << stopped.err;
  ExpectSameBits(Train());
}

// A process of an old launch is still alive. It is fenced and dies, and the others do not notice.
TEST_F(SurvivalTest, AZombieOfAnOldGenerationIsFencedAndDies) {
  pipeline_->Set("recovery.mode", "relaunch");
  Process run(pipeline_->Command(Flags({"1:1:compute:kill", "*:*:compute:delay100@2"})));
  const std::string task_path = pipeline_->artifacts() + "/runs/tiny/task-train.json";
  const std::string current = R"("generation": "2")";
  std::string task;
  while (run.Running() && task.find(current) == std::string::npos) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    task = still::ReadFile(task_path).ok() ? *still::ReadFile(task_path) : "";
  }
  ASSERT_TRUE(run.Running()) << run.Output();
  task.replace(task.find(current), current.size(), R"("generation": "1")");
  ASSERT_TRUE(still::WriteFileAtomically(directory_ / "old-task.json", task).ok());
  const ProcessResult zombie = still::testing::Run({STILL_WORKER_BINARY, "--task", directory_ / "old-task.json"});
  EXPECT_EQ(zombie.signal, SIGKILL) << zombie.out << zombie.err;
  EXPECT_NE(zombie.err.find("fenced"), std::string::npos) << zombie.err;
  ExpectSameBits(run.Wait());
}

TEST_F(SurvivalTest, AFullDiskUnderCheckpointsStopsNothingAndHeals) {
  const SmallDisk disk(pipeline_->artifacts() + "/checkpoints", "1m");
  if (!disk.mounted()) GTEST_SKIP() << "mounting a small file system needs root";
  pipeline_->Set("train.checkpoint_steps", "1");
  Process run(pipeline_->Command(Flags({"*:*:compute:delay50"})));
  while (run.Running() && !Snapshot()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  disk.Grow("1g");
  const ProcessResult result = run.Wait();
  ExpectSameBits(result);
}

TEST_F(SurvivalTest, AFullMemoryFileSystemStopsNothing) {
  const SmallDisk disk(directory_ / "memory", "1m");
  if (!disk.mounted()) GTEST_SKIP() << "mounting a small file system needs root";
  pipeline_->Set("recovery.mode", "relaunch");
  const ProcessResult result = Train({"1:4:compute:kill"});
  ExpectSameBits(result);
}

// A published checkpoint that was cut short, or in which one bit is flipped, is set aside. The run uses the one before.
TEST_F(SurvivalTest, TheCheckpointBeforeReplacesADamagedOne) {
  pipeline_->Set("recovery.snapshot_directory", "none");
  pipeline_->Set("train.checkpoint_steps", "1");
  for (const bool cut : {true, false}) {
    Process run(pipeline_->Command(Flags({"*:*:compute:delay100"})));
    while (run.Running() && Published().size() < 2) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ASSERT_TRUE(run.Running()) << run.Output();
    run.SignalSelf(SIGKILL);
    run.Wait();
    const std::string newest = Published().at(0);
    const std::string part = newest + "/" + still::PartFile(0);
    if (cut) {
      fs::resize_file(part, fs::file_size(part) / 2);
    } else {
      std::string bytes = *still::ReadFile(part);
      bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
      ASSERT_TRUE(still::WriteFileAtomically(part, bytes).ok());
    }
    ExpectSameBits(Train());
    EXPECT_TRUE(fs::exists(newest + ".bad")) << newest;
    for (const char* made : {"/student", "/checkpoints", "/jobs"}) fs::remove_all(pipeline_->artifacts() + made);
  }
}

// A rank dies of the same cause at the same step in every launch. The job fails instead of launching for ever.
TEST_F(SurvivalTest, RepeatedDeathsAtOneStepFailTheJob) {
  pipeline_->Set("recovery.mode", "relaunch");
  const ProcessResult failed = Train({"1:3:compute:kill@*"});
  EXPECT_EQ(failed.exit_code, 4) << failed.err;
  EXPECT_NE(failed.err.find("step 3"), std::string::npos) << failed.err;
  EXPECT_NE(failed.err.find("3 deaths in a row"), std::string::npos) << failed.err;
  ExpectSameBits(Train());
}

// One bit of a cached target is wrong. The run stops and names the record instead of training on it.
TEST_F(SurvivalTest, AFlippedBitInATargetStopsTheRunAndNamesTheRecord) {
  const std::string shard = pipeline_->Artifacts("targets").at(0) + "/shard-00000";
  for (const std::string& file : still::ListFilesRecursively(shard).value()) {
    if (!file.ends_with(".sst")) continue;
    std::string bytes = *still::ReadFile(file);
    bytes[bytes.size() / 3] = static_cast<char>(bytes[bytes.size() / 3] ^ 1);
    ASSERT_TRUE(still::WriteFileAtomically(file, bytes).ok());
  }
  const ProcessResult stopped = Train();
  EXPECT_EQ(stopped.exit_code, 3) << stopped.err;
  EXPECT_NE(stopped.err.find("targets of sequence"), std::string::npos) << stopped.err;
  EXPECT_TRUE(pipeline_->Artifacts("student").empty());
}

}  // namespace
