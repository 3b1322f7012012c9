#include "cluster/local_launcher.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "common/host_name.h"
#include "common/storage/files.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still::cluster {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

class LocalLauncherTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<LaunchedJob>> Start(std::vector<std::string> argv,
                                             std::map<std::string, std::string> environment = {}) {
    return LocalLauncher::Start({.argv = std::move(argv), .environment = std::move(environment)}, {.log_path = log_});
  }
  static ExitInfo Wait(LaunchedJob& job) {
    while (true) {
      if (const auto exit = job.Poll()) return *exit;
      std::this_thread::yield();
    }
  }
  std::string Log() const { return ReadFile(log_).value(); }

  testing::TempDirectory directory_;
  const std::string log_ = JoinPath(directory_.path(), "log");
};

TEST_F(LocalLauncherTest, ExitCodesAreReported) {
  auto succeeds = Start({"/bin/true"});
  auto fails = Start({"/bin/false"});
  ASSERT_TRUE(succeeds.ok() && fails.ok());
  EXPECT_EQ(Wait(**succeeds).code, 0);
  EXPECT_EQ(Wait(**fails).ToString(), "exit code 1");
}

TEST_F(LocalLauncherTest, OutputOfEveryLaunchIsAppendedToTheLog) {
  for (const char* word : {"first", "second"}) {
    ASSERT_OK_AND_ASSIGN(auto job, Start({"/bin/echo", word}));
    Wait(*job);
  }
  EXPECT_EQ(Log(), "first\nsecond\n");
}

TEST_F(LocalLauncherTest, EnvironmentIsAddedToOurs) {
  ::setenv("STILL_TEST_REPLACED", "old", 1);
  ::setenv("STILL_TEST_KEPT", "kept", 1);
  ASSERT_OK_AND_ASSIGN(auto job, Start({"/usr/bin/env"}, {{"STILL_TEST_REPLACED", "new"}}));
  Wait(*job);
  EXPECT_THAT(Log(), HasSubstr("STILL_TEST_REPLACED=new\n"));
  EXPECT_THAT(Log(), HasSubstr("STILL_TEST_KEPT=kept\n"));
  EXPECT_THAT(Log(), ::testing::Not(HasSubstr("=old")));
}

TEST_F(LocalLauncherTest, ProgramThatIsMissingIsNamedAtOnce) {
  EXPECT_THAT(Start({"/nowhere/mpirun"}), StatusIs(Code::kNotFound, HasSubstr("/nowhere/mpirun")));
}

TEST_F(LocalLauncherTest, LogThatCannotBeWrittenIsNamed) {
  EXPECT_THAT(StartProcess({.argv = {"/bin/true"}}, {.log_path = "/nowhere/log"}),
              StatusIs(Code::kNotFound, HasSubstr("/nowhere/log")));
}

TEST_F(LocalLauncherTest, KillEndsAProcessThatWouldRunOn) {
  ASSERT_OK_AND_ASSIGN(auto job, Start({"/bin/sleep", "1000"}));
  EXPECT_FALSE(job->Poll().has_value());
  job->Kill();
  EXPECT_EQ(Wait(*job).ToString(), "signal 9 (Killed)");
  EXPECT_EQ(job->Poll()->signal, SIGKILL) << "an ended job keeps its outcome";
}

TEST_F(LocalLauncherTest, TerminateSendsSigterm) {
  ASSERT_OK_AND_ASSIGN(auto job, Start({"/bin/sleep", "1000"}));
  job->Terminate();
  EXPECT_EQ(Wait(*job).signal, SIGTERM);
}

TEST_F(LocalLauncherTest, DroppingAJobKillsItsWholeGroup) {
  // timeout(1) runs sleep as its child; both belong to the job's group. The pipe closes when the last of them is gone.
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  { ASSERT_OK_AND_ASSIGN(auto job, Start({"/usr/bin/timeout", "--foreground", "1000", "/bin/sleep", "1000"})); }
  ::close(ends[1]);
  char byte;
  EXPECT_EQ(::read(ends[0], &byte, 1), 0);
  ::close(ends[0]);
}

// This mpirun prints where its files go, puts one there and runs on.
TEST_F(LocalLauncherTest, ALaunchHasADirectoryOfItsOwnThatGoesWithIt) {
  const std::string mpirun = directory_ / "mpirun";
  ASSERT_TRUE(
      WriteFileAtomically(mpirun, "#!/bin/sh\n> $STILL_SCRATCH/segment && echo $STILL_SCRATCH\nsleep 1000\n").ok());
  ASSERT_EQ(::chmod(mpirun.c_str(), 0700), 0);
  std::vector<std::string> directories;
  for (int launch = 0; launch < 2; ++launch) {
    ASSERT_OK(WriteFileAtomically(log_, ""));
    ASSERT_OK_AND_ASSIGN(auto job, LocalLauncher(mpirun).Launch({.program = "worker", .log_path = log_}));
    while (!Log().ends_with('\n')) std::this_thread::yield();
    const std::string log = Log();
    directories.push_back(log.substr(0, log.size() - 1));
    EXPECT_TRUE(directories.back().starts_with("/dev/shm/still-mpirun-")) << log;
    EXPECT_TRUE(Exists(directories.back() + "/segment"));
    job->Kill();
    Wait(*job);
    job.reset();
    EXPECT_FALSE(Exists(directories.back()));
  }
  EXPECT_NE(directories[0], directories[1]);
}

// A killed mpirun leaves /tmp/ompi.<its number>. Open MPI 5.0.11 ends at its start where that is taken.
TEST_F(LocalLauncherTest, AnMpirunStartsAlthoughAKilledOneHadItsNumber) {
  const auto mpirun = FindMpirun();
  if (!mpirun.ok()) GTEST_SKIP() << mpirun.status().message();
  if (MpirunKindInUse() == MpirunKind::kOpenMpi4) GTEST_SKIP() << "Open MPI 4 starts all the same";
  constexpr pid_t kNumbers = 5000;  // that processes get until mpirun is started, others' too
  for (pid_t number = ::getpid(); number < ::getpid() + kNumbers; ++number) {
    const std::string left = directory_ / fmt::format("ompi.{}", number);
    ASSERT_EQ(::mkdir(left.c_str(), 0700), 0);
    std::ofstream(fmt::format("{}/pmix.{}.tool.{}", left, HostName(), number));
  }
  ::setenv("TMPDIR", directory_.path().c_str(), 1);
  auto job = LocalLauncher(*mpirun).Launch({.program = "/bin/true", .log_path = log_});
  ::unsetenv("TMPDIR");
  ASSERT_TRUE(job.ok()) << job.status().ToString();
  EXPECT_EQ(Wait(**job).ToString(), "exit code 0") << Log();
}

// The child closes every descriptor but the held one, which it finds as number 3.
TEST_F(LocalLauncherTest, ADetachedProcessLeadsASessionAndInheritsOnlyWhatItHolds) {
  ::signal(SIGUSR1, SIG_IGN);
  int leaked[2];
  ASSERT_EQ(::pipe(leaked), 0);
  const int held = ::open(directory_.path().c_str(), O_RDONLY | O_CLOEXEC);
  const auto pid =
      StartProcess({.argv = {"/bin/sh", "-c",
                             "ls /proc/self/fd; readlink /proc/self/fd/3; grep SigIgn /proc/self/status; exec sleep 9"},
                    .environment = {}},
                   {.log_path = log_, .log_mode = 0600, .lifetime = Lifetime::kDetached, .held_fd = held});
  ::signal(SIGUSR1, SIG_DFL);
  ASSERT_TRUE(pid.ok()) << pid.status().ToString();
  while (Log().find("SigIgn") == std::string::npos || !Log().ends_with('\n')) std::this_thread::yield();
  EXPECT_EQ(::getsid(*pid), *pid);
  EXPECT_THAT(Log(), HasSubstr("0\n1\n2\n3\n4\n" + directory_.path() + "\n")) << "4 is the listed directory itself";
  EXPECT_THAT(Log(), HasSubstr("SigIgn:\t0000000000000000"));
  ::kill(*pid, SIGKILL);
  ::waitpid(*pid, nullptr, 0);
  for (const int fd : {leaked[0], leaked[1], held}) ::close(fd);
}

// The launching process is a fork, so that it can die alone.
TEST_F(LocalLauncherTest, JobDiesWithTheProcessThatLaunchedIt) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t launcher = ::fork();
  if (launcher == 0) {
    ::close(ends[0]);
    auto job = Start({"/bin/sleep", "1000"});
    ::kill(::getpid(), SIGKILL);
  }
  ::close(ends[1]);
  ::waitpid(launcher, nullptr, 0);
  char byte;
  EXPECT_EQ(::read(ends[0], &byte, 1), 0) << "sleep held the pipe open";
  ::close(ends[0]);
}

}  // namespace
}  // namespace still::cluster
