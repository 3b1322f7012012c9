// PipelineRun with scripted workers: a real corpus and real files, but no mpirun.
#include "coordinator/daemon/pipeline_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/config/config.h"
#include "common/config/pipeline_config.h"
#include "common/proto/control.pb.h"
#include "common/rpc/rpc.h"
#include "common/storage/file_lock.h"
#include "common/storage/files.h"
#include "coordinator/plan/run_summary.h"
#include "shards/corpus/local_build.h"
#include "tests/testing/fake_launcher.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still::coordinator {
namespace {

using cluster::ExitInfo;
using cluster::LaunchSpec;
using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::FakeLauncher;
using ::testing::HasSubstr;
using testing::StatusIs;
using v1::Envelope;
using v1::WorkerTask;

class RecordingObserver : public RunObserver {
 public:
  void OnStageStarted(const StagePlan& stage) override { started.emplace_back(EnumWord(stage.stage)); }
  void OnProgress(const StagePlan&, const v1::Progress&) override { ++progress; }
  void OnRecovery(const StagePlan& stage, const std::string& text) override {
    recoveries.push_back(fmt::format("{}: {}", EnumWord(stage.stage), text));
  }
  void OnStorageTrouble(const StagePlan&, const std::string&) override {}
  void OnStageFinished(const StagePlan&, double, const Status&) override { ++finished; }

  std::vector<std::string> started;
  std::vector<std::string> recoveries;
  int progress = 0;
  int finished = 0;
};

WorkerTask TaskOf(const LaunchSpec& spec) {
  WorkerTask task;
  EXPECT_EQ(spec.arguments.at(0), "--task");
  EXPECT_OK(FromJson(ReadFile(spec.arguments.at(1)).value(), "task", &task));
  return task;
}

void SendResult(const WorkerTask& task, const Status& status) {
  const RpcClientKeys keys{.server = task.keys().server_public(),
                           .own = {task.keys().client_public(), task.keys().client_secret()}};
  const auto client = RpcClient::Connect(task.endpoint(), "rank-0", keys).value();
  Envelope envelope;
  envelope.set_generation(task.generation());
  envelope.mutable_stage_result()->set_code(CodeOnWire(status.code()));
  envelope.mutable_stage_result()->set_message(status.message());
  EXPECT_OK(client->Send(envelope.SerializeAsString()));
}

// Does what the driver sees of a worker's stage: it makes an artifact under its final name and reports success. The
// corpus is a real one, because the driver counts its shards.
ExitInfo MakeArtifact(const LaunchSpec& spec, std::stop_token) {
  const WorkerTask task = TaskOf(spec);
  const v1::Stage stage = task.stage();
  if (stage == v1::STAGE_CORPUS) {
    const v1::CorpusConfig& corpus = task.config().corpus();
    EXPECT_OK(shards::BuildCorpus(corpus, shards::ReadCorpusInputs(corpus).value(),
                                  ArtifactStore(task.config().artifacts()), [](const auto&, auto) { return Ok(); }));
    SendResult(task, Ok());
    return {};
  }
  auto staged = ArtifactStore(task.config().artifacts())
                    .Begin(ArtifactKind(stage), IdentityBuilder::FromText(task.identity()))
                    .value();
  EXPECT_OK(WriteSummary(staged->path(), {{"positions", 4}}));
  EXPECT_OK(WriteFileAtomically(staged->path() + "/weights.sha256", "abc\n"));
  EXPECT_OK(CommitArtifact(*staged));
  SendResult(task, Ok());
  return {};
}

class PipelineRunTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n.\n";
    for (char c = 'a'; c <= 'z'; ++c) vocabulary += fmt::format("{}\n##{}\n", c, c);
    ASSERT_OK(WriteFileAtomically(directory_ / "vocab.txt", vocabulary));
    ASSERT_OK(MakeDirectories(directory_ / "books"));
    for (int book = 0; book < 4; ++book) {
      ASSERT_OK(WriteFileAtomically(fmt::format("{}/books/{}.txt", directory_.path(), book),
                                    fmt::format("It was a dark and stormy night {}.\n\nThe rain fell in torrents. The "
                                                "wind swept up the streets, for it is here that our scene lies.\n",
                                                std::string(1, static_cast<char>('a' + book)))));
    }
    config_ = DefaultPipelineConfig();
    config_.set_name("tiny");
    config_.set_artifacts(directory_ / "artifacts");
    config_.set_ranks(3);
    config_.mutable_teacher()->set_path(directory_.path());
    config_.mutable_corpus()->add_books(directory_ / "books");
    config_.mutable_corpus()->set_heldout_percent(0);
    const TeacherFacts teacher = {.layers = 6, .max_positions = 512};
    ASSERT_OK(ResolveConfig(teacher, false, &config_));
    plan_ = MakePlan(config_, teacher, shards::ReadCorpusInputs(config_.corpus())->identity);
  }

  Result<std::vector<StageOutcome>> Run(FakeLauncher& launcher) {
    PipelineRun driver(config_, "/bin/still-worker", launcher, Clock::System(), observer_);
    return driver.Run(plan_, stops_);
  }
  std::string RunFile(const std::string& name) const { return directory_ / ("artifacts/runs/tiny/" + name); }

  testing::TempDirectory directory_;
  v1::PipelineConfig config_;
  Plan plan_;
  RecordingObserver observer_;
  std::atomic<int> stops_{0};
};

TEST_F(PipelineRunTest, RunsEveryStageOnceAndThenReusesAll) {
  FakeLauncher launcher(MakeArtifact);
  ASSERT_OK_AND_ASSIGN(const auto first, Run(launcher));
  EXPECT_EQ(first.size(), kStages);
  EXPECT_THAT(observer_.started, ElementsAre("corpus", "teacher", "targets", "train", "evaluate", "export"));
  EXPECT_EQ(observer_.finished, 6);

  ASSERT_OK_AND_ASSIGN(const auto second, Run(launcher));
  for (const StageOutcome& outcome : second) EXPECT_TRUE(outcome.reused) << EnumWord(outcome.stage);
  EXPECT_EQ(launcher.launches.size(), 6u);
}

TEST_F(PipelineRunTest, ACorpusOnOneRankIsBuiltWithoutAnMpirun) {
  config_.set_ranks(1);
  FakeLauncher launcher(MakeArtifact);
  ASSERT_OK(Run(launcher));
  EXPECT_EQ(launcher.launches.size(), 5u);
  EXPECT_GT(observer_.progress, 0) << "only the corpus counts";
}

TEST_F(PipelineRunTest, ReusingACorpusDeletesLeftoversOfItsBuilders) {
  config_.set_ranks(1);
  FakeLauncher launcher(MakeArtifact);
  ASSERT_OK(Run(launcher));
  const std::string corpora = directory_ / "artifacts/corpus";
  const std::string digest = plan_[0].digest;
  const auto leave = [&] {
    for (const std::string& remains : {digest + ".splits", digest + ".0123456789abcdef.building"}) {
      ASSERT_OK(MakeDirectories(JoinPath(corpora, remains)));
      ASSERT_OK(WriteFileAtomically(JoinPath(JoinPath(corpora, remains), "split-00000"), "of one that was killed"));
    }
    ASSERT_OK(MakeDirectories(JoinPath(corpora, "another.splits")));
  };
  leave();
  {
    const auto lock = FileLock::TryAcquire(directory_ / ("artifacts/jobs/corpus-" + digest + "/lock"));
    ASSERT_OK(lock);
    ASSERT_OK(Run(launcher));
    EXPECT_EQ(ListDirectory(corpora)->size(), 4u) << "a live builder holds the lock";
  }
  ASSERT_OK(Run(launcher));
  EXPECT_THAT(*ListDirectory(corpora), ::testing::UnorderedElementsAre(digest, "another.splits"));
  EXPECT_EQ(launcher.launches.size(), 5u) << "all was reused";
}

TEST_F(PipelineRunTest, RanksThreadsAndRecoveryFitTheStage) {
  std::vector<std::string> seen;
  FakeLauncher launcher([&](const LaunchSpec& spec, std::stop_token killed) {
    const WorkerTask task = TaskOf(spec);
    const bool in_place = task.recovery() == v1::RECOVERY_MODE_INPLACE;
    EXPECT_EQ(in_place, spec.survive_deaths);
    seen.push_back(fmt::format("{} on {} ranks{}", spec.log_path.substr(spec.log_path.rfind('/') + 1), spec.ranks,
                               in_place ? ", in place" : ""));
    EXPECT_EQ(task.generation(), 1u) << "generations count per artifact";
    EXPECT_EQ(task.config().threads_per_rank(), spec.threads_per_rank);
    return MakeArtifact(spec, std::move(killed));
  });
  config_.mutable_recovery()->set_mode(v1::RECOVERY_MODE_INPLACE);
  ASSERT_OK(Run(launcher));
  EXPECT_THAT(seen, ElementsAre("corpus.log on 3 ranks, in place", "teacher.log on 3 ranks, in place",
                                "targets.log on 3 ranks, in place", "train.log on 3 ranks, in place",
                                "evaluate.log on 1 ranks", "export.log on 1 ranks"));
  EXPECT_THAT(ReadFile(RunFile("effective.yaml")).value(), HasSubstr("name: tiny"));
}

TEST_F(PipelineRunTest, FailureEndsTheRunAndTheNextOneStartsThere) {
  FakeLauncher failing([&](const LaunchSpec& spec, std::stop_token killed) {
    if (TaskOf(spec).stage() != v1::STAGE_TRAIN) return MakeArtifact(spec, std::move(killed));
    SendResult(TaskOf(spec), Error(Code::kResourceExhausted, "disk full"));
    return ExitInfo{.code = 3};
  });
  EXPECT_THAT(Run(failing), StatusIs(Code::kResourceExhausted, "train, rank 0: disk full"));
  EXPECT_EQ(failing.launches.size(), 4u);

  observer_.started.clear();
  FakeLauncher launcher(MakeArtifact);
  ASSERT_OK(Run(launcher));
  EXPECT_THAT(observer_.started, ElementsAre("train", "evaluate", "export"));
  EXPECT_EQ(TaskOf(launcher.launches[0]).generation(), 2u) << "one above the run before";
}

TEST_F(PipelineRunTest, SuccessWithoutAnArtifactIsABug) {
  FakeLauncher launcher([](const LaunchSpec& spec, std::stop_token) {
    SendResult(TaskOf(spec), Ok());
    return ExitInfo{};
  });
  EXPECT_THAT(Run(launcher), StatusIs(Code::kInternal, HasSubstr("corpus")));
}

TEST_F(PipelineRunTest, SecondRunOfTheSameNameIsRefused) {
  ASSERT_OK(MakeDirectories(directory_ / "artifacts/runs/tiny"));
  const auto lock = FileLock::TryAcquire(RunFile("lock"));
  ASSERT_OK(lock);
  FakeLauncher launcher(MakeArtifact);
  EXPECT_THAT(Run(launcher), StatusIs(Code::kUnavailable));
  EXPECT_TRUE(observer_.started.empty());
}

TEST_F(PipelineRunTest, StopEndsTheRunBeforeTheNextStage) {
  stops_ = 1;
  FakeLauncher launcher(MakeArtifact);
  EXPECT_THAT(Run(launcher), StatusIs(Code::kCancelled));
  EXPECT_TRUE(launcher.launches.empty());
}

TEST_F(PipelineRunTest, DeathInAStageIsRecoveredFromAndShown) {
  FakeLauncher launcher([&](const LaunchSpec& spec, std::stop_token killed) {
    const bool dies = TaskOf(spec).stage() == v1::STAGE_TARGETS && spec.environment.at("STILL_LAUNCH") == "1";
    return dies ? ExitInfo{.signal = 9} : MakeArtifact(spec, std::move(killed));
  });
  ASSERT_OK(Run(launcher));
  EXPECT_EQ(launcher.launches.size(), 7u);
  EXPECT_THAT(observer_.recoveries,
              ElementsAre(AllOf(HasSubstr("targets"), HasSubstr("signal 9"), HasSubstr("generation 2"))));
  EXPECT_EQ(observer_.finished, 6);
}

TEST_F(PipelineRunTest, TheFirstLineOfAFailureSaysHowToContinue) {
  FakeLauncher dying([](const LaunchSpec&, std::stop_token) { return ExitInfo{.signal = 9}; });
  EXPECT_THAT(Run(dying),
              StatusIs(Code::kUnavailable, AllOf(HasSubstr("again to continue\n"), HasSubstr("\n  generation 1"))));
}

TEST_F(PipelineRunTest, AReachedTimeLimitIsCancelledAndCanBeContinued) {
  config_.mutable_time_limit_minutes()->set_targets(0.005);
  FakeLauncher launcher([](const LaunchSpec& spec, std::stop_token killed) {
    if (TaskOf(spec).stage() != v1::STAGE_TARGETS) return MakeArtifact(spec, std::move(killed));
    testing::WaitUntilKilled(killed);
    return ExitInfo{.signal = 15};
  });
  EXPECT_THAT(Run(launcher), StatusIs(Code::kCancelled, HasSubstr("targets")));
}

TEST_F(PipelineRunTest, AnArtifactThatAnotherRunMakesIsNotMadeTwice) {
  const std::string job = directory_ / ("artifacts/jobs/teacher-" + plan_[1].digest);
  ASSERT_OK(MakeDirectories(job));
  const auto lock = FileLock::TryAcquire(JoinPath(job, "lock"));
  ASSERT_OK(lock);
  FakeLauncher launcher(MakeArtifact);
  EXPECT_THAT(Run(launcher),
              StatusIs(Code::kUnavailable, "another run is making teacher " + plan_[1].digest +
                                               ": wait for its end; run the same command again to continue"));
}

TEST_F(PipelineRunTest, DamagedJournalIsNamedAndNothingIsLaunched) {
  const std::string journal = directory_ / ("artifacts/jobs/teacher-" + plan_[1].digest + "/journal");
  ASSERT_OK(MakeDirectories(journal));
  FakeLauncher launcher(MakeArtifact);
  EXPECT_THAT(Run(launcher), StatusIs(Code::kDataLoss, HasSubstr(journal)));
  EXPECT_EQ(launcher.launches.size(), 1u) << "only the corpus counts";
}

TEST_F(PipelineRunTest, SummaryComesFromTheArtifacts) {
  config_.set_ranks(1);  // a real corpus
  FakeLauncher launcher(MakeArtifact);
  ASSERT_OK(Run(launcher));
  ASSERT_OK_AND_ASSIGN(RunSummary summary, ReadRunSummary(ArtifactStore(config_.artifacts()), plan_));
  EXPECT_EQ(summary.weights_sha256, "abc");
  EXPECT_EQ(summary.numbers[v1::STAGE_CORPUS]["books"], 4);
  EXPECT_EQ(summary.numbers[v1::STAGE_TARGETS]["positions"], 4);
}

}  // namespace
}  // namespace still::coordinator
