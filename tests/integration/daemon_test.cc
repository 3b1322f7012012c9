// The coordinator as people run it: still serve, jobs given to it, and everything killed that can be. Real ranks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/files.h"
#include "tests/integration/undisturbed_run.h"
#include "tests/testing/process_tree.h"

namespace {

using still::testing::DescendantsNamed;
using still::testing::Process;
using still::testing::ProcessResult;
using still::testing::TempDirectory;
using still::testing::TinyPipeline;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kUsage = 2, kUnavailable = 4, kCancelled = 5;

class DaemonTest : public ::testing::Test {
 protected:
  void SetUp() override {
    REQUIRE_DEMO_DATA();
    still::testing::StartAt("student", pipeline_);  // trains; what comes before is there and reused
    pipeline_.Set("train.checkpoint_steps", "1");
    Serve();
  }
  void TearDown() override {
    if (serve_ == nullptr) return;
    Still({"cancel", "--pipeline", "1"});
    Still({"cancel", "--pipeline", "1"});
    Until("agents end", [&] { return AgentsOf(serve_->pid()).empty(); });
  }

  std::string state() const { return directory_.path() + "/state"; }
  std::vector<std::string> ServeCommand() const {
    return {STILL_BINARY, "serve", "--state", state(), "--listen", "tcp://127.0.0.1:*", "--http-port", "0"};
  }
  void Serve() {
    serve_ = std::make_unique<Process>(ServeCommand(), environment_);
    Until("the coordinator serves", [&] { return serve_->Output().find("serving at") != std::string::npos; });
  }
  void KillServe() {
    serve_->SignalSelf(SIGKILL);
    serve_->Wait();
  }
  ProcessResult Still(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), STILL_BINARY);
    arguments.insert(arguments.end(), {"--state", state()});
    return still::testing::Run(arguments);
  }
  ProcessResult Submit(std::vector<std::string> flags = {}) {
    pipeline_.Command();  // writes the configuration
    flags.insert(flags.begin(), {"submit", pipeline_.config_path()});
    return Still(flags);
  }
  // What `still show` says of the training.
  std::string Train() const { return Still({"show", "train"}).out; }
  bool Is(const std::string& state_name) const { return Train().find(" is " + state_name) != std::string::npos; }
  void UntilTrain(const std::string& state_name) {
    Until("the training is " + state_name, [&] { return Is(state_name); });
  }
  void UntilItTrains() {
    Until("the training makes steps", [&] { return Train().find("/6 steps") != std::string::npos; });
  }
  static void Until(const std::string& what, const std::function<bool()>& holds) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (!holds()) {
      ASSERT_LT(std::chrono::steady_clock::now(), until) << "still not true: " << what;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
  static std::vector<pid_t> AgentsOf(pid_t serve) { return DescendantsNamed(serve, "still"); }
  void ExpectTheUndisturbedStudent() const {
    EXPECT_EQ(pipeline_.StudentDigest(), still::testing::UndisturbedDigest());
  }

  TempDirectory directory_;
  TinyPipeline pipeline_{directory_.path(), still::testing::DemoData()};
  std::map<std::string, std::string> environment_;
  std::unique_ptr<Process> serve_;
};

TEST_F(DaemonTest, APipelineRunsToTheSameBitsAsStillRun) {
  const ProcessResult submitted = Submit({"--wait"});
  EXPECT_EQ(submitted.exit_code, 0) << submitted.out << submitted.err;
  ExpectTheUndisturbedStudent();
  const std::string history = Still({"history"}).out;
  EXPECT_THAT(history, HasSubstr("tiny/corpus"));
  EXPECT_THAT(history, HasSubstr("REUSED"));
  EXPECT_THAT(Still({"queue"}).out, HasSubstr("no jobs"));
}

TEST_F(DaemonTest, AKilledCoordinatorTouchesNothingAndAdoptsWhatRuns) {
  environment_["STILL_FAULT"] = "0:*:train.compute:delay700@*";
  KillServe();
  Serve();
  ASSERT_EQ(Submit().exit_code, 0);
  UntilItTrains();
  const std::vector<pid_t> agents = AgentsOf(serve_->pid());
  ASSERT_EQ(agents.size(), 1U);
  for (int kill = 0; kill < 2; ++kill) {
    KillServe();
    EXPECT_EQ(::kill(agents[0], 0), 0) << "the agent lives on";
    Serve();
    Until("the agent is heard again",
          [&] { return Is("SUCCEEDED") || Train().find("RECONCILING") == std::string::npos; });
  }
  UntilTrain("SUCCEEDED");
  EXPECT_THAT(Train(), HasSubstr("attempt       1,")) << "nothing was started again";
  ExpectTheUndisturbedStudent();
}

TEST_F(DaemonTest, WorkThatEndsWhileTheCoordinatorIsDownIsOnRecordAfterwards) {
  ASSERT_EQ(Submit().exit_code, 0);
  UntilItTrains();
  KillServe();
  Until("the student is made", [&] { return !pipeline_.StudentDigest().empty(); });
  Serve();
  UntilTrain("SUCCEEDED");
  ExpectTheUndisturbedStudent();
}

TEST_F(DaemonTest, AKilledAgentIsFollowedByAnotherAttemptInTheSameBits) {
  environment_["STILL_FAULT"] = "0:*:train.compute:delay700@*";
  KillServe();
  Serve();
  ASSERT_EQ(Submit().exit_code, 0);
  UntilItTrains();
  const std::vector<pid_t> agents = AgentsOf(serve_->pid());
  ASSERT_EQ(agents.size(), 1U);
  ::kill(agents[0], SIGKILL);
  UntilTrain("SUCCEEDED");
  EXPECT_THAT(Train(), HasSubstr("attempt       2,"));
  EXPECT_THAT(Still({"events"}).out, HasSubstr("AGENT_LOST"));
  ExpectTheUndisturbedStudent();
}

TEST_F(DaemonTest, HoldAndReleaseContinueFromTheCheckpointToTheSameBits) {
  environment_["STILL_FAULT"] = "0:*:train.compute:delay700@*";
  KillServe();
  Serve();
  ASSERT_EQ(Submit().exit_code, 0);
  UntilItTrains();
  EXPECT_EQ(Still({"hold", "train"}).exit_code, 0);
  UntilTrain("HELD");
  EXPECT_THAT(Still({"why", "train"}).out, HasSubstr("HELD"));
  EXPECT_THAT(Still({"why", "export"}).out, HasSubstr("waits for job"));
  EXPECT_EQ(Still({"release", "train"}).exit_code, 0);
  UntilTrain("SUCCEEDED");
  EXPECT_THAT(Train(), HasSubstr("attempt       2,"));
  ExpectTheUndisturbedStudent();
}

TEST_F(DaemonTest, ACancelledPipelineExitsAsCancelled) {
  environment_["STILL_FAULT"] = "0:*:train.compute:delay700@*";
  KillServe();
  Serve();
  pipeline_.Command();
  Process submit({STILL_BINARY, "submit", pipeline_.config_path(), "--wait", "--state", state()});
  UntilItTrains();
  EXPECT_EQ(Still({"cancel", "--pipeline", "1"}).exit_code, 0);
  EXPECT_EQ(submit.Wait().exit_code, kCancelled);
  EXPECT_TRUE(Is("CANCELLED"));
}

TEST_F(DaemonTest, ASecondCoordinatorOnTheSameStateIsRefused) {
  const ProcessResult second = still::testing::Run(ServeCommand());
  EXPECT_EQ(second.exit_code, kUnavailable);
  EXPECT_THAT(second.err, HasSubstr("a coordinator is running on the state directory"));
}

TEST_F(DaemonTest, WithoutACoordinatorCommandsSayHowToGetOne) {
  KillServe();
  serve_.reset();
  const ProcessResult queue = Still({"queue"});
  EXPECT_EQ(queue.exit_code, kUnavailable);
  EXPECT_THAT(queue.err, HasSubstr("still serve"));
}

TEST_F(DaemonTest, AGangThatNeverFitsIsRefusedAtOnce) {
  const ProcessResult refused = Submit({"--ranks", "64000"});
  EXPECT_EQ(refused.exit_code, kUsage);
  EXPECT_THAT(refused.err, HasSubstr("can never run"));
}

TEST_F(DaemonTest, AnMpirunTypedByHandTakesTheJobAndAnotherOneResumesIt) {
  ASSERT_EQ(Submit({"--attach"}).exit_code, 0);
  Until("the training waits for its mpirun", [&] {
    return Still({"why", "train"}).out.find("ATTACH") != std::string::npos;
  });
  const std::string endpoint = still::ReadFile(state() + "/endpoint").value();
  const auto mpirun = [&](const std::string& ranks) {
    return std::vector<std::string>{STILL_MPIRUN_BINARY,
                                    "--allow-run-as-root",
                                    "--oversubscribe",
                                    "--bind-to",
                                    "none",
                                    "-n",
                                    ranks,
                                    STILL_WORKER_BINARY,
                                    "--coordinator",
                                    endpoint.substr(0, endpoint.find('\n')),
                                    "--job",
                                    "tiny/train"};
  };
  {
    Process typed(mpirun("2"), {{"STILL_FAULT", "1:3:train.compute:kill"}});
    typed.Wait();
  }
  UntilTrain("PENDING");
  EXPECT_THAT(Still({"why", "train"}).out, HasSubstr("mpirun"));
  Process again(mpirun("3"));
  UntilTrain("SUCCEEDED");
  again.Wait();
  ExpectTheUndisturbedStudent();
  const ProcessResult late = still::testing::Run(mpirun("1"));
  EXPECT_NE(late.exit_code, 0);
}

}  // namespace
