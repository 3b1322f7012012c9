// Runs the coordinator as people do, with real ranks, and kills each of its processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <regex>
#include <string>
#include <vector>

#include "common/storage/files.h"
#include "tests/integration/daemon_fixture.h"

namespace {

using still::testing::Process;
using still::testing::ProcessResult;
using ::testing::HasSubstr;

// Each microbatch takes a second on every rank, so that a test can act long before the last step.
constexpr char kSlowTraining[] = "*:*:train.compute:delay1000@*";
constexpr int kUnavailable = 4, kCancelled = 5;

class DaemonTest : public still::testing::DaemonFixture {
 protected:
  // Returns the name that the kernel has for the process that `still show` lists for a rank of the training.
  std::string CommandOfRank(const std::string& rank) const {
    std::smatch row;
    const std::string shown = Train();
    if (!std::regex_search(shown, row, std::regex("\n *" + rank + " +\\S+ +(\\d+) "))) return shown;
    const auto command = still::ReadFile("/proc/" + row[1].str() + "/comm");
    return command.ok() ? command->substr(0, command->find('\n')) : command.status().ToString();
  }
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

TEST_F(DaemonTest, AKilledCoordinatorAdoptsRunningJobsAfterItsRestart) {
  ServeWithFault(kSlowTraining);
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

TEST_F(DaemonTest, WorkThatEndsWhileTheCoordinatorIsDownIsRecordedAfterwards) {
  ASSERT_EQ(Submit().exit_code, 0);
  UntilItTrains();
  KillServe();
  Until("the student is made", [&] { return !pipeline_.StudentDigest().empty(); });
  Serve();
  UntilTrain("SUCCEEDED");
  ExpectTheUndisturbedStudent();
}

TEST_F(DaemonTest, AnotherAttemptFollowsAKilledAgentToTheSameBits) {
  ServeWithFault(kSlowTraining);
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
  ServeWithFault(kSlowTraining);
  ASSERT_EQ(Submit().exit_code, 0);
  UntilItTrains();
  EXPECT_EQ(Still({"hold", "train"}).exit_code, 0);
  UntilTrain("HELD");
  EXPECT_THAT(Still({"why", "train"}).out, HasSubstr("HELD"));
  EXPECT_THAT(Still({"why", "export"}).out, HasSubstr("DEPENDENCY"));
  EXPECT_EQ(Still({"release", "train"}).exit_code, 0);
  UntilTrain("SUCCEEDED");
  EXPECT_THAT(Train(), HasSubstr("attempt       2,"));
  ExpectTheUndisturbedStudent();
}

TEST_F(DaemonTest, ACancelledPipelineExitsAsCancelled) {
  ServeWithFault(kSlowTraining);
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
  EXPECT_THAT(second.err, HasSubstr(state()));
}

TEST_F(DaemonTest, AnMpirunTypedByHandTakesTheJobAndAnotherOneResumesIt) {
  ASSERT_EQ(Submit({"--attach"}).exit_code, 0);
  Until("the training waits for its mpirun", [&] {
    return Still({"why", "train"}).out.find("ATTACH") != std::string::npos;
  });
  const std::string why = Still({"why", "train"}).out;
  const std::string line = why.substr(why.find("\n\n") + 2);
  // Returns the command as a person copies it, with another number of ranks.
  const auto mpirun = [&](const std::string& ranks) {
    const std::size_t count = line.find(" -n 2 ");
    EXPECT_NE(count, std::string::npos) << line;
    return std::vector<std::string>{"/bin/sh", "-c", std::string(line).replace(count, 6, " -n " + ranks + " ")};
  };
  {
    Process typed(mpirun("2"), {{"STILL_FAULT", "1:3:train.compute:kill"}});
    typed.Wait();
  }
  UntilTrain("PENDING");
  EXPECT_THAT(Still({"why", "train"}).out, HasSubstr(line)) << "the same again";
  EXPECT_THAT(Train(), HasSubstr("1 recovery"));
  Process again(mpirun("3"), {{"STILL_FAULT", "0:*:train.compute:delay1000"}});
  Until("the third rank is heard, under its process id", [&] { return CommandOfRank("2") == "still-worker"; });
  EXPECT_THAT(Train(), HasSubstr("3 ranks"));
  UntilTrain("SUCCEEDED");
  again.Wait();
  ExpectTheUndisturbedStudent();
  const ProcessResult late = still::testing::Run(mpirun("1"));
  EXPECT_NE(late.exit_code, 0);
  const std::size_t keys = line.find(" --keys ");
  const ProcessResult stranger =
      still::testing::Run({"/bin/sh", "-c", line.substr(0, keys)}, {{"STILL_STATE", directory_ / "others"}});
  EXPECT_THAT(stranger.err + stranger.out, HasSubstr("keys"));
}

}  // namespace
