// Runs `still serve` and its clients as real processes and checks which keys let a client in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <thread>

#include "common/rpc/keys.h"
#include "common/storage/files.h"
#include "tests/cli/complete_pipeline.h"
#include "tests/testing/process.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still::cli {
namespace {

using still::testing::Process;
using still::testing::ProcessResult;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ServeCommandTest : public ::testing::Test {
 protected:
  void Serve(std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), {STILL_BINARY, "serve", "--listen", "tcp://127.0.0.1:*", "--http-port", "0"});
    serve_ = std::make_unique<Process>(
        flags, std::map<std::string, std::string>{
                   {"STILL_STATE", state()}, {"STILL_WORKER", "/bin/true"}, {"STILL_MPIRUN", "/bin/true"}});
    while (serve_->Running() && serve_->Output().find("serving at") == std::string::npos)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ASSERT_TRUE(serve_->Running()) << serve_->Output();
  }
  void TearDown() override {
    if (serve_ == nullptr) return;
    serve_->SignalSelf(SIGTERM);
    EXPECT_EQ(serve_->Wait().exit_code, 0);
  }
  std::string state() const { return directory_ / "state"; }
  std::string Endpoint() const {
    const std::string text = ReadFile(state() + "/endpoint").value();
    return text.substr(0, text.find('\n'));
  }
  static ProcessResult Queue(const std::map<std::string, std::string>& environment,
                             std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), {STILL_BINARY, "queue"});
    return testing::Run(flags, environment);
  }

  const testing::TempDirectory directory_;
  std::unique_ptr<Process> serve_;
};

TEST_F(ServeCommandTest, OnlyClientsWithTheStateDirectoryOrItsKeysAreLetIn) {
  Serve();
  EXPECT_EQ(Queue({{"STILL_STATE", state()}}).exit_code, 0);
  const std::map<std::string, std::string> stranger = {{"STILL_STATE", directory_ / "strange"},
                                                       {"STILL_COORDINATOR", Endpoint()}};
  const ProcessResult refused = Queue(stranger);
  EXPECT_EQ(refused.exit_code, 4);
  EXPECT_THAT(refused.err, HasSubstr("--keys"));
  EXPECT_EQ(Queue(stranger, {"--keys", state() + "/keys"}).exit_code, 0);
  std::map<std::string, std::string> told = stranger;
  told["STILL_KEYS"] = state() + "/keys";
  EXPECT_EQ(Queue(told).exit_code, 0);
  EXPECT_EQ(Queue(stranger, {"--keys", directory_ / "nowhere"}).exit_code, 3);
}

TEST_F(ServeCommandTest, AGivenStateDirectoryBeatsTheEnvironment) {
  Serve();
  ASSERT_OK(NewKeys(directory_ / "others"));
  const ProcessResult queue =
      Queue({{"STILL_COORDINATOR", "tcp://127.0.0.1:1"}, {"STILL_KEYS", directory_ / "others"}}, {"--state", state()});
  EXPECT_EQ(queue.exit_code, 0) << queue.err;
}

TEST_F(ServeCommandTest, APortInUseIsRefusedWithTheOptionThatChangesIt) {
  Serve();
  const auto second = [&](const std::vector<std::string>& flags) {
    std::vector<std::string> command = {STILL_BINARY, "serve", "--state", directory_ / "second"};
    command.insert(command.end(), flags.begin(), flags.end());
    return testing::Run(command, {{"STILL_WORKER", "/bin/true"}, {"STILL_MPIRUN", "/bin/true"}});
  };
  const ProcessResult listen = second({"--listen", Endpoint(), "--no-http"});
  EXPECT_EQ(listen.exit_code, 4);
  EXPECT_THAT(listen.err, AllOf(HasSubstr(Endpoint()), HasSubstr("--listen")));
  const std::string page = ReadFile(state() + "/http").value();
  const std::size_t port = page.rfind(':') + 1;
  const ProcessResult http =
      second({"--listen", "tcp://127.0.0.1:*", "--http-port", page.substr(port, page.find('/', port) - port)});
  EXPECT_EQ(http.exit_code, 4);
  EXPECT_THAT(http.err, HasSubstr("--http-port"));
}

TEST_F(ServeCommandTest, CheckRefusesJobsThatNeverFitWithTheMessageOfSubmit) {
  const std::string hosts = directory_ / "hosts";
  ASSERT_OK(WriteFileAtomically(hosts, "localhost slots=4\n"));
  Serve({"--hosts", hosts, "--address", "127.0.0.1"});
  const auto submit = [&](const std::string& more, std::vector<std::string> flags) {
    const std::string pipeline = testing::CompletePipeline(directory_, more);
    flags.insert(flags.begin(), {STILL_BINARY, "submit", pipeline, "--state", state()});
    return testing::Run(flags);
  };
  for (const char* more : {"ranks: 5\nthreads_per_rank: 1\n", "ranks: 1\nthreads_per_rank: 5\n"}) {
    const ProcessResult check = submit(more, {"--check"});
    const ProcessResult refused = submit(more, {});
    EXPECT_EQ(check.exit_code, 2);
    EXPECT_NE(check.err, "");
    EXPECT_EQ(check.err, refused.err);
    EXPECT_EQ(submit(more, {"--check", "--attach"}).exit_code, more[7] == '5' ? 0 : 2) << "one rank needs no mpirun";
  }
  EXPECT_EQ(submit("ranks: 4\nthreads_per_rank: 1\n", {"--check"}).err, "");
}

TEST_F(ServeCommandTest, CheckWithoutACoordinatorWarnsThatTheHostsAreUnknown) {
  const ProcessResult check = testing::Run(
      {STILL_BINARY, "submit", testing::CompletePipeline(directory_, "ranks: 4000\n"), "--state", state(), "--check"});
  EXPECT_EQ(check.exit_code, 0) << check.err;
  EXPECT_THAT(check.err, HasSubstr("warning"));
}

TEST_F(ServeCommandTest, TheTokenIsPrintedOnATerminalOnly) {
  Serve();
  EXPECT_THAT(serve_->Output(),
              AllOf(Not(HasSubstr(LoadHttpToken(state() + "/keys").value())), HasSubstr(state() + "/http")));
}

TEST_F(ServeCommandTest, WithoutKeysNoneAreMadeAndEveryClientIsLetIn) {
  Serve({"--no-keys"});
  EXPECT_FALSE(Exists(state() + "/keys"));
  EXPECT_EQ(Queue({{"STILL_STATE", directory_ / "strange"}, {"STILL_COORDINATOR", Endpoint()}}).exit_code, 0);
  EXPECT_THAT(serve_->Output(), Not(HasSubstr("token")));
}

}  // namespace
}  // namespace still::cli
