// Trains by real ranks under a real mpirun and disturbs them with faults and signals. Every `still run` ends in the
// bits of the undisturbed run.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/storage/checkpoint.h"
#include "common/storage/files.h"
#include "tests/integration/survival_fixture.h"
#include "tests/testing/process_tree.h"
#include "tests/testing/small_disk.h"

namespace still::testing {
namespace {

namespace fs = std::filesystem;

// Holds a pipeline that is ready to train the student. No later stage runs.
class SurvivalTest : public SurvivalFixture {
 protected:
  SurvivalTest() : SurvivalFixture("train") {}

  std::unique_ptr<TinyPipeline> Prepared(const std::string& directory) const override {
    auto pipeline = std::make_unique<TinyPipeline>(directory, DemoData());
    StartAt("student", *pipeline);
    pipeline->Set("ranks", "3");
    pipeline->Set("recovery.hang_seconds", "2");
    pipeline->Set("recovery.snapshot_directory", directory + "/memory");
    fs::create_directories(directory + "/memory");
    return pipeline;
  }
  // Expects success, with the weights and optimizer state of the undisturbed run.
  void ExpectUndisturbed(const ProcessResult& result) override {
    ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_EQ(pipeline_->StudentDigest(), UndisturbedDigest());
    EXPECT_EQ(FinalHash(*pipeline_), FinalHash(TheUndisturbed().pipeline));
    EXPECT_TRUE(fs::is_empty(directory_ / "memory")) << "snapshots outlive their use";
  }
  static std::string FinalHash(const TinyPipeline& pipeline) {
    for (const std::string& job : pipeline.Artifacts("checkpoints")) {
      if (!fs::exists(pipeline.artifacts() + "/student/" + fs::path(job).filename().string())) continue;
      const auto newest = ListCheckpoints(job);
      if (!newest.ok() || newest->empty()) return "no checkpoint";
      const auto hash = CheckpointHash(newest->front());
      return hash.ok() ? *hash : hash.status().ToString();
    }
    return "no job";
  }
  // Runs until the current launch has committed a step, then calls `disturb`. Returns how the run ended.
  ProcessResult Disturb(const std::function<void(Process&)>& disturb) {
    const auto run = StartUntil({"*:*:compute:delay30"}, [this] { return Snapshot(); });
    disturb(*run);
    return run->Wait();
  }
  // Returns the checkpoints with a manifest, newest first.
  std::vector<std::string> Published() const {
    std::vector<std::string> published;
    for (const std::string& job : pipeline_->Artifacts("checkpoints")) {
      for (const std::string& path : ListCheckpoints(job).value()) {
        if (ReadManifest(path).ok()) published.push_back(path);
      }
    }
    return published;
  }
  bool Snapshot() const { return !fs::is_empty(directory_ / "memory"); }
};

class FaultTest : public SurvivalTest, public ::testing::WithParamInterface<FaultCase> {};

TEST_P(FaultTest, EndsInTheSameBits) { Survive(GetParam()); }

const Setting kInPlaceMode = {"recovery.mode", "inplace"};
const Setting kRelaunchMode = {"recovery.mode", "relaunch"};

// Kills one rank, every rank and the lowest rank, at every point of a step and of a checkpoint; two at once; during the
// recovery; in the second launch as well.
std::vector<FaultCase> Cases() {
  std::vector<FaultCase> cases;
  for (const char* fault : {"1:2:compute:kill", "0:3:compute:kill", "2:1:reduce:kill", "1:4:vote:kill",
                            "0:2:optimizer:kill", "1:3:snapshot:kill"}) {
    std::string name = fault;
    std::ranges::replace(name, ':', '_');
    cases.push_back({"InPlace_" + name, {kInPlaceMode}, {fault}, kInPlace});
    cases.push_back({"Relaunch_" + name, {kRelaunchMode}, {fault}, kAgain});
  }
  cases.push_back({"TwoAtOnce", {kInPlaceMode}, {"0:2:compute:kill", "2:2:compute:kill"}, kInPlace});
  cases.push_back({"AllAtOnce", {kInPlaceMode}, {"*:3:reduce:kill"}, kAgain});
  cases.push_back({"AllButOne", {kInPlaceMode}, {"1:1:vote:kill", "2:3:vote:kill"}, kInPlace});
  cases.push_back({"InTheRecovery", {kInPlaceMode}, {"1:2:compute:kill", "2:2:recover:kill"}, kInPlace});
  cases.push_back({"EveryoneInTheRecovery", {kInPlaceMode}, {"1:2:compute:kill", "*:2:recover:kill"}, kAgain});
  cases.push_back({"InTheRestoreOfTheNextLaunch", {kRelaunchMode}, {"1:2:compute:kill", "0:*:restore:kill@2"}, kAgain});
  cases.push_back({"AtShutdown", {kRelaunchMode}, {"1:*:shutdown:kill"}, kAny});
  cases.push_back({"WhileWriting", {kRelaunchMode}, {"0:*:checkpoint.write:kill"}, kAgain});
  cases.push_back({"BeforeTheSync", {kInPlaceMode}, {"0:*:checkpoint.fsync:kill"}, kInPlace});
  cases.push_back({"BeforeTheRename", {kRelaunchMode}, {"0:*:checkpoint.rename:kill"}, kAgain});
  cases.push_back({"BeforeThePublishing", {kRelaunchMode}, {"0:*:publish:kill"}, kAgain});
  cases.push_back({"TornBeforeThePublishing",
                   {kRelaunchMode, {"recovery.snapshot_directory", "none"}, {"train.checkpoint_steps", "1"}},
                   {"0:*:checkpoint.write:torn"},
                   kAgain});
  cases.push_back({"StoppedInCompute", {kInPlaceMode}, {"1:5:compute:stop"}, kInPlace});
  cases.push_back({"StoppedInReduce", {kRelaunchMode}, {"1:5:reduce:stop"}, kAgain});
  cases.push_back({"HangsInCompute", {kInPlaceMode}, {"2:5:compute:delay60000"}, kAny, "hung"});
  cases.push_back({"FiveTimesAsSlow", {kInPlaceMode}, {"1:*:compute:delay40"}, kAny});
  cases.push_back({"NoSpaceForCheckpoints",
                   {kInPlaceMode, {"train.checkpoint_steps", "1"}},
                   {"*:2:checkpoint.write:enospc", "*:3:checkpoint.write:enospc", "*:4:checkpoint.write:enospc"},
                   kAny});
  cases.push_back({"WithoutMemoryForSnapshots",
                   {kRelaunchMode, {"recovery.snapshot_directory", "/nowhere"}},
                   {"1:5:compute:kill"},
                   kAgain});
  // On an accelerator that does not exist (tests/device), the fitted teacher and the student have the CPU's bits.
  const Setting device = {"worker.device", "fake"};
  cases.push_back({"OnADevice", {device}, {}, kNone});
  cases.push_back({"OnADevice_InPlace", {device, kInPlaceMode}, {"1:2:train.compute:kill"}, kInPlace});
  cases.push_back({"OnADevice_InReduce", {device, kInPlaceMode}, {"2:3:train.reduce:kill"}, kInPlace});
  cases.push_back({"OnADevice_Relaunch", {device, kRelaunchMode}, {"0:4:train.optimizer:kill"}, kAgain});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(All, FaultTest, ::testing::ValuesIn(Cases()), NameOf);

// Signals from outside arrive at no particular point.
TEST_F(SurvivalTest, KillingAGuardianEndsItsRankOnly) {
  const ProcessResult result = Disturb([](Process& run) {
    const auto guardians = DescendantsNamed(run.pid(), "still-guardian");
    ASSERT_EQ(guardians.size(), 3U);
    kill(guardians[1], SIGKILL);
  });
  ExpectUndisturbed(result);
  EXPECT_TRUE(RecoveredInPlace(result)) << result.err;
}

TEST_F(SurvivalTest, KillingMpirunCostsOneLaunch) {
  const ProcessResult result = Disturb([](Process& run) {
    const auto children = Descendants(run.pid());
    ASSERT_FALSE(children.empty());
    kill(children.front().pid, SIGKILL);
  });
  ExpectUndisturbed(result);
  EXPECT_TRUE(LaunchedAgain(result)) << result.err;
}

TEST_F(SurvivalTest, KillingEveryRankAtOnceCostsOneLaunch) {
  const ProcessResult result = Disturb([](Process& run) {
    for (const pid_t rank : DescendantsNamed(run.pid(), "still-worker")) kill(rank, SIGKILL);
  });
  ExpectUndisturbed(result);
}

// Workers die with `still`. The next run continues with another number of ranks.
TEST_F(SurvivalTest, RanksChangeFromOneToThreeToTwoAcrossKills) {
  pipeline_->Set("ranks", "1");
  Disturb([](Process& run) { run.SignalSelf(SIGKILL); });
  pipeline_->Set("ranks", "3");
  Disturb([](Process& run) { run.SignalSelf(SIGKILL); });
  pipeline_->Set("ranks", "2");
  ExpectUndisturbed(Run());
}

TEST_F(SurvivalTest, AnInterruptLeavesACheckpointAndTheNextRunContinues) {
  const ProcessResult stopped = Disturb([](Process& run) { run.SignalSelf(SIGTERM); });
  EXPECT_EQ(stopped.exit_code, 5) << stopped.err;
  EXPECT_FALSE(Snapshot()) << "what is published needs no memory";
  ExpectUndisturbed(Run());
}

// A rank that gets SIGTERM (a scheduler's preemption) ends the run in the same orderly way.
TEST_F(SurvivalTest, ARankThatIsAskedToEndStopsTheRunAfterItsStep) {
  const ProcessResult stopped = Disturb([](Process& run) {
    const auto ranks = DescendantsNamed(run.pid(), "still-worker");
    ASSERT_EQ(ranks.size(), 3U);
    kill(ranks[1], SIGTERM);
  });
  EXPECT_EQ(stopped.exit_code, 5) << stopped.err;
  ExpectUndisturbed(Run());
}

// A process of an old launch is still alive. It is fenced and dies, and the others do not notice.
TEST_F(SurvivalTest, AZombieOfAnOldGenerationIsFencedAndDies) {
  pipeline_->Set("recovery.mode", "relaunch");
  const std::string task_path = pipeline_->artifacts() + "/runs/tiny/task-train.json";
  const std::string current = R"("generation": "2")";
  std::string task;
  const auto run = StartUntil({"1:1:compute:kill", "*:*:compute:delay100@2"}, [&] {
    task = ReadFile(task_path).ok() ? *ReadFile(task_path) : "";
    return task.find(current) != std::string::npos;
  });
  ASSERT_TRUE(task.find(current) != std::string::npos);
  task.replace(task.find(current), current.size(), R"("generation": "1")");
  ASSERT_TRUE(WriteFileAtomically(directory_ / "old-task.json", task).ok());
  const ProcessResult zombie = testing::Run({STILL_WORKER_BINARY, "--task", directory_ / "old-task.json"});
  EXPECT_EQ(zombie.signal, SIGKILL) << zombie.out << zombie.err;
  EXPECT_NE(zombie.err.find("fenced"), std::string::npos) << zombie.err;
  ExpectUndisturbed(run->Wait());
}

TEST_F(SurvivalTest, AFullDiskUnderCheckpointsStopsNothingAndHeals) {
  const SmallDisk disk(pipeline_->artifacts() + "/checkpoints", "1m");
  if (!disk.mounted()) GTEST_SKIP() << "mounting a small file system needs root";
  pipeline_->Set("train.checkpoint_steps", "1");
  const auto run = StartUntil({"*:*:compute:delay50"}, [this] { return Snapshot(); });
  disk.Grow("1g");
  ExpectUndisturbed(run->Wait());
}

TEST_F(SurvivalTest, AFullMemoryFileSystemStopsNothing) {
  const SmallDisk disk(directory_ / "memory", "1m");
  if (!disk.mounted()) GTEST_SKIP() << "mounting a small file system needs root";
  pipeline_->Set("recovery.mode", "relaunch");
  const ProcessResult result = Run({"1:4:compute:kill"});
  ExpectUndisturbed(result);
}

// A published checkpoint that was cut short, or in which one bit is flipped, is set aside. The run uses the one before.
TEST_F(SurvivalTest, TheCheckpointBeforeReplacesADamagedOne) {
  pipeline_->Set("recovery.snapshot_directory", "none");
  pipeline_->Set("train.checkpoint_steps", "1");
  for (const bool cut : {true, false}) {
    const auto run = StartUntil({"*:*:compute:delay100"}, [this] { return Published().size() >= 2; });
    run->SignalSelf(SIGKILL);
    run->Wait();
    const std::string newest = Published().at(0);
    const std::string part = newest + "/" + PartFile(0);
    if (cut) {
      fs::resize_file(part, fs::file_size(part) / 2);
    } else {
      std::string bytes = *ReadFile(part);
      bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
      ASSERT_TRUE(WriteFileAtomically(part, bytes).ok());
    }
    ExpectUndisturbed(Run());
    EXPECT_TRUE(fs::exists(newest + ".bad")) << newest;
    for (const char* made : {"/student", "/checkpoints", "/jobs"}) fs::remove_all(pipeline_->artifacts() + made);
  }
}

// A rank dies of the same cause at the same step in every launch. The job fails instead of launching for ever.
TEST_F(SurvivalTest, RepeatedDeathsAtOneStepFailTheJob) {
  pipeline_->Set("recovery.mode", "relaunch");
  const ProcessResult failed = Run({"1:3:compute:kill@*"});
  EXPECT_EQ(failed.exit_code, 4) << failed.err;
  EXPECT_NE(failed.err.find("step 3"), std::string::npos) << failed.err;
  ExpectUndisturbed(Run());
}

// One bit of a cached target is wrong. The run stops and names the record instead of training on it.
TEST_F(SurvivalTest, AFlippedBitInATargetStopsTheRunAndNamesTheRecord) {
  const std::string shard = pipeline_->Artifacts("targets").at(0) + "/shard-00000";
  for (const std::string& file : ListFilesRecursively(shard).value()) {
    if (!file.ends_with(".sst")) continue;
    std::string bytes = *ReadFile(file);
    bytes[bytes.size() / 3] = static_cast<char>(bytes[bytes.size() / 3] ^ 1);
    ASSERT_TRUE(WriteFileAtomically(file, bytes).ok());
  }
  const ProcessResult stopped = Run();
  EXPECT_EQ(stopped.exit_code, 3) << stopped.err;
  EXPECT_NE(stopped.err.find("targets of sequence"), std::string::npos) << stopped.err;
  EXPECT_TRUE(pipeline_->Artifacts("student").empty());
}

}  // namespace
}  // namespace still::testing
