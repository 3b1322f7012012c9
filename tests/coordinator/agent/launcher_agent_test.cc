// The agent over scripted launches, with a real journal, real files and real sockets, but without mpirun.
#include "coordinator/agent/launcher_agent.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "common/config/config.h"
#include "common/death_text.h"
#include "common/proto/control.pb.h"
#include "common/storage/files.h"
#include "tests/testing/checkpoints.h"
#include "tests/testing/fake_launcher.h"
#include "tests/testing/fake_rank.h"
#include "tests/testing/manual_clock.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still::coordinator {
namespace {

using cluster::ExitInfo;
using cluster::LaunchSpec;
using ::testing::ElementsAre;
using testing::FakeLauncher;
using testing::FakeRank;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::StatusIs;
using v1::WorkerTask;

WorkerTask TaskOf(const LaunchSpec& spec) {
  WorkerTask task;
  EXPECT_EQ(spec.arguments.at(0), "--task");
  EXPECT_OK(FromJson(ReadFile(spec.arguments.at(1)).value(), "task", &task));
  return task;
}

std::unique_ptr<FakeRank> RankOf(const WorkerTask& task, std::uint32_t rank) {
  return std::make_unique<FakeRank>(task.endpoint(), task.generation(), rank);
}

const ExitInfo kKilled{.code = 137};

class LauncherAgentTest : public ::testing::Test {
 protected:
  void SetUp() override { task_.set_identity("identity"); }

  AgentJob Job() const {
    return {.journal_path = directory_ / "journal",
            .checkpoint_directory = checkpoints_,
            .retention = {.keep_last = 2},
            .server = {.stage = v1::STAGE_TRAIN, .survivors_go_on = true},
            .launch = {.ranks = 3, .program = "/bin/still-worker", .log_path = directory_ / "train.log"},
            .task_path = directory_ / "task-train.json"};
  }
  // The scripts say what each launch does, in order. The last one is repeated.
  using Script = std::function<ExitInfo(const LaunchSpec&, const WorkerTask&)>;
  Status Run(const AgentJob& job, std::vector<Script> scripts) {
    FakeLauncher launcher([&](const LaunchSpec& spec, std::stop_token) {
      const std::size_t launch = std::stoul(spec.environment.at("STILL_LAUNCH"));
      return scripts[std::min(launch, scripts.size()) - 1](spec, TaskOf(spec));
    });
    LauncherAgent agent(job, task_, launcher, clock_,
                        {.on_generation =
                             [&](const GenerationStart& start) {
                               if (start.recovery) recoveries_.push_back(RecoveryText(*start.recovery));
                             },
                         .on_storage_trouble = [&](const std::string& text) { troubles_.push_back(text); }});
    const Status outcome = agent.Run(stops_);
    launches_ = launcher.launches;
    return outcome;
  }
  static ExitInfo Succeed(const LaunchSpec&, const WorkerTask& task) {
    RankOf(task, 0)->SayResult(Code::kOk);
    return {};
  }
  // Returns a launch that gets as far as `step` and dies.
  static Script DieAt(std::uint64_t step) {
    return [step](const LaunchSpec& spec, const WorkerTask& task) {
      RankOf(task, 1)->Beat(v1::PHASE_COMPUTE, step);
      const std::string before = ReadFile(spec.log_path).ok() ? ReadFile(spec.log_path).value() : "";
      EXPECT_OK(WriteFileAtomically(spec.log_path, before + "mpirun noticed that process rank 1 with PID 7 exited\n"));
      return kKilled;
    };
  }
  v1::CheckpointInfo Write(std::uint64_t step, std::uint64_t generation) const {
    EXPECT_OK(MakeDirectories(CheckpointPath(checkpoints_, step, generation)));
    return testing::InfoOf(step, generation);
  }
  std::vector<v1::GenerationEnd> Ends() const { return JobJournal::Open(Job().journal_path).value()->Ends().value(); }

  testing::TempDirectory directory_;
  const std::string checkpoints_ = directory_ / "checkpoints";
  WorkerTask task_;
  testing::ManualClock clock_;
  std::atomic<int> stops_{0};
  std::vector<std::string> recoveries_;
  std::vector<std::string> troubles_;
  std::vector<LaunchSpec> launches_;
};

TEST_F(LauncherAgentTest, StageThatSucceedsIsLaunchedOnce) {
  ASSERT_OK(Run(Job(), {[&](const LaunchSpec& spec, const WorkerTask& task) {
                  EXPECT_EQ(task.generation(), 1u);
                  EXPECT_EQ(task.identity(), "identity");
                  EXPECT_EQ(task.recovery(), v1::RECOVERY_MODE_INPLACE);
                  EXPECT_TRUE(spec.survive_deaths);
                  return Succeed(spec, task);
                }}));
  EXPECT_EQ(launches_.size(), 1u);
  EXPECT_THAT(recoveries_, IsEmpty());
  ASSERT_EQ(Ends().size(), 1u);
  EXPECT_EQ(Ends()[0].code(), v1::CODE_OK);
}

TEST_F(LauncherAgentTest, RelaunchModeRefusesToShrink) {
  AgentJob job = Job();
  job.server.survivors_go_on = false;
  ASSERT_OK(Run(job, {[&](const LaunchSpec& spec, const WorkerTask& task) {
                  EXPECT_EQ(task.recovery(), v1::RECOVERY_MODE_RELAUNCH);
                  EXPECT_FALSE(spec.survive_deaths);
                  const auto rank = RankOf(task, 0);
                  EXPECT_EQ(rank->AskShrink(1, 3, {0, 1}).shrink_reply().generation(), 0u);
                  return Succeed(spec, task);
                }}));
}

TEST_F(LauncherAgentTest, DeathIsFollowedByTheNextGenerationAtOnce) {
  ASSERT_OK(Run(Job(), {DieAt(17), [&](const LaunchSpec& spec, const WorkerTask& task) {
                          EXPECT_EQ(task.generation(), 2u);
                          EXPECT_EQ(spec.environment.at("STILL_LAUNCH"), "2");
                          return Succeed(spec, task);
                        }}));
  EXPECT_EQ(clock_.now, Clock::TimePoint()) << "it did not sleep";
  EXPECT_THAT(recoveries_, ElementsAre("rank 1 died in compute of step 17; launched again as generation 2 (0.0 s)"));
  const auto ends = Ends();
  ASSERT_EQ(ends.size(), 2u);
  EXPECT_EQ(ends[0].code(), v1::CODE_UNAVAILABLE);
  EXPECT_EQ(ends[0].step(), 17u);
  EXPECT_EQ(ends[1].code(), v1::CODE_OK);
}

// The log of mpirun tells the server of the lost host.
TEST_F(LauncherAgentTest, ALostHostEndsAJobOfSeveralHostsSoThatItIsPlacedElsewhere) {
  AgentJob job = Job();
  const Script lose_b = [](const LaunchSpec& spec, const WorkerTask& task) {
    RankOf(task, 0)->Beat(v1::PHASE_COMPUTE, 3);
    EXPECT_OK(WriteFileAtomically(spec.log_path,
                                  "PRTE has lost communication with a remote daemon.\n\n  Remote daemon: "
                                  "[prterun-head-392@0,2] on node b\n"));
    return kKilled;
  };
  job.launch.hosts = {{"a", 1}, {"b", 2}};
  EXPECT_THAT(Run(job, {lose_b}), StatusIs(Code::kUnavailable));
  EXPECT_EQ(launches_.size(), 1u);
  const v1::Death death = Ends().back().death();
  EXPECT_EQ(death.host(), "b");
  EXPECT_THAT(death.ranks(), ElementsAre(1u, 2u));
}

TEST_F(LauncherAgentTest, KeysGoToTheRanksInATaskThatOnlyItsOwnerMayRead) {
  AgentJob job = Job();
  job.server.network.client = NewRpcKeyPair().value();
  job.server.network.keys =
      RpcServerKeys{.own = NewRpcKeyPair().value(), .clients = {job.server.network.client.public_key}};
  ASSERT_OK(Run(job, {[](const LaunchSpec& spec, const WorkerTask& task) {
                  EXPECT_EQ(std::filesystem::status(spec.arguments.at(1)).permissions(), std::filesystem::perms(0600));
                  const RpcClientKeys keys{.server = task.keys().server_public(),
                                           .own = {task.keys().client_public(), task.keys().client_secret()}};
                  FakeRank(task.endpoint(), task.generation(), 0, keys).SayResult(Code::kOk);
                  return ExitInfo{};
                }}));
}

TEST_F(LauncherAgentTest, DeathsAtOneStepArePacedAndEndWithTheEvidence) {
  EXPECT_THAT(Run(Job(), {DieAt(17)}), StatusIs(Code::kUnavailable, HasSubstr("rank 1 died in compute of step 17")));
  EXPECT_EQ(launches_.size(), 3u);
  EXPECT_EQ(clock_.now, Clock::TimePoint(std::chrono::seconds(1)))
      << "it is the pause between the second and the third launch";
  EXPECT_EQ(Ends().size(), 3u);
}

TEST_F(LauncherAgentTest, GenerationsContinueThoseOfTheRunBefore) {
  EXPECT_FALSE(Run(Job(), {DieAt(5)}).ok());
  ASSERT_OK(Run(Job(), {[&](const LaunchSpec& spec, const WorkerTask& task) {
                  EXPECT_EQ(task.generation(), 4u);
                  EXPECT_EQ(spec.environment.at("STILL_LAUNCH"), "1") << "launches are counted anew";
                  return Succeed(spec, task);
                }}));
}

TEST_F(LauncherAgentTest, SurvivedDeathIsShownJournaledAndPartOfTheEvidence) {
  const Status failure =
      Run(Job(), {[&](const LaunchSpec& spec, const WorkerTask& task) {
                    RankOf(task, 1)->Beat(v1::PHASE_COMPUTE, 17);
                    EXPECT_EQ(RankOf(task, 0)->AskShrink(1, 17, {0, 2}).shrink_reply().generation(), 2u);
                    return DieAt(17)(spec, task);
                  },
                  DieAt(17)});
  EXPECT_THAT(failure, StatusIs(Code::kUnavailable));
  ASSERT_EQ(recoveries_.size(), 2u);
  EXPECT_EQ(recoveries_[0], "rank 1 died in compute of step 17; generation 2 goes on in place with 2 ranks");
  EXPECT_THAT(recoveries_[1], HasSubstr("launched again as generation 3"));
  const auto ends = Ends();
  ASSERT_EQ(ends.size(), 3u);
  EXPECT_TRUE(ends[0].in_place());
  EXPECT_FALSE(ends[1].in_place());
}

TEST_F(LauncherAgentTest, StepThatKillsOneRankAfterTheOtherEndsTheJob) {
  const Status failure = Run(Job(), {[&](const LaunchSpec&, const WorkerTask& task) {
                               const auto rank = RankOf(task, 0);
                               EXPECT_EQ(rank->AskShrink(1, 17, {0, 1, 2}).shrink_reply().generation(), 2u);
                               EXPECT_EQ(rank->AskShrink(2, 17, {0, 2}).shrink_reply().generation(), 3u);
                               EXPECT_EQ(rank->AskShrink(3, 17, {0}).shrink_reply().generation(), 0u);
                               return kKilled;
                             }});
  EXPECT_THAT(failure, StatusIs(Code::kUnavailable));
  EXPECT_EQ(launches_.size(), 1u);
}

TEST_F(LauncherAgentTest, ArtifactThatExistsIsSuccessDespiteADeath) {
  AgentJob job = Job();
  job.is_made = [] { return true; };
  EXPECT_OK(Run(job, {DieAt(20)}));
}

TEST_F(LauncherAgentTest, PublishedCheckpointsComeWithTheNextTaskAndOthersAreRemoved) {
  Write(5, 1);  // left by a killed run whose journal is gone
  ASSERT_OK(Run(Job(), {[&](const LaunchSpec& spec, const WorkerTask& task) {
                          EXPECT_EQ(task.checkpoints_size(), 0);
                          EXPECT_FALSE(Exists(CheckpointPath(checkpoints_, 5, 1)));
                          const auto rank = RankOf(task, 0);
                          for (const std::uint64_t step : {10, 20, 30}) {
                            rank->SayParts(Write(step, 1), {0, 1}, 1);
                            EXPECT_EQ(rank->Answer().checkpoint_published().step(), step);
                          }
                          Write(40, 1);  // not complete
                          return DieAt(40)(spec, task);
                        },
                        [&](const LaunchSpec& spec, const WorkerTask& task) {
                          EXPECT_EQ(task.checkpoints_size(), 2);
                          if (task.checkpoints_size() != 2) return kKilled;
                          EXPECT_EQ(task.checkpoints(0).info().step(), 30u);
                          EXPECT_EQ(task.checkpoints(1).info().step(), 20u);
                          EXPECT_FALSE(Exists(CheckpointPath(checkpoints_, 40, 1)));
                          EXPECT_FALSE(Exists(CheckpointPath(checkpoints_, 10, 1)));
                          // A worker finds it damaged and sets it aside.
                          std::filesystem::rename(CheckpointPath(checkpoints_, 30, 1),
                                                  CheckpointPath(checkpoints_, 30, 1) + ".bad");
                          return DieAt(41)(spec, task);
                        },
                        [&](const LaunchSpec& spec, const WorkerTask& task) {
                          EXPECT_EQ(task.checkpoints_size(), 1);
                          EXPECT_TRUE(Exists(CheckpointPath(checkpoints_, 30, 1) + ".bad"));
                          return Succeed(spec, task);
                        }}));
}

TEST_F(LauncherAgentTest, AnInterruptedPauseEndsTheJob) {
  clock_.on_sleep = [&] { stops_ = 1; };
  EXPECT_THAT(Run(Job(), {DieAt(17)}), StatusIs(Code::kCancelled, HasSubstr("rank 1")));
  EXPECT_EQ(launches_.size(), 2u);
}

TEST_F(LauncherAgentTest, StopOfAStageIsFinal) {
  EXPECT_THAT(Run(Job(), {[&](const LaunchSpec&, const WorkerTask& task) {
                    stops_ = 1;
                    const auto guardian = RankOf(task, 0);
                    while (!guardian->Beat().heartbeat_reply().drain()) continue;
                    RankOf(task, 0)->SayResult(Code::kCancelled, "step 7");
                    return ExitInfo{};
                  }}),
              StatusIs(Code::kCancelled, HasSubstr("step 7")));
  EXPECT_EQ(Ends()[0].code(), v1::CODE_CANCELLED);
}

TEST_F(LauncherAgentTest, JournalOfARunningAgentIsNotShared) {
  ASSERT_OK_AND_ASSIGN(const auto journal, JobJournal::Open(Job().journal_path));
  EXPECT_THAT(Run(Job(), {Succeed}), StatusIs(Code::kUnavailable));
  EXPECT_TRUE(launches_.empty());
}

TEST_F(LauncherAgentTest, MpirunThatCannotBeStartedIsNotTriedAgain) {
  class NoLauncher : public cluster::Launcher {
   public:
    Result<std::unique_ptr<cluster::LaunchedJob>> Launch(const LaunchSpec&) override {
      ++tries;
      return Error(Code::kNotFound, "no mpirun");
    }
    int tries = 0;
  } launcher;
  LauncherAgent agent(Job(), task_, launcher, clock_, {});
  EXPECT_THAT(agent.Run(stops_), StatusIs(Code::kNotFound, "no mpirun"));
  EXPECT_EQ(launcher.tries, 1);
}

}  // namespace
}  // namespace still::coordinator
