// `still serve` and those who talk to it, as real processes: who gets in by what.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <thread>

#include "common/files.h"
#include "common/keys.h"
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

TEST_F(ServeCommandTest, WhoHasTheStateDirectoryOrItsKeysIsLetInAndNobodyElse) {
  Serve();
  EXPECT_EQ(Queue({{"STILL_STATE", state()}}).exit_code, 0);
  const std::map<std::string, std::string> stranger = {{"STILL_STATE", directory_ / "strange"},
                                                       {"STILL_COORDINATOR", Endpoint()}};
  const ProcessResult refused = Queue(stranger);
  EXPECT_EQ(refused.exit_code, 4);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("it has keys, which we lack"), HasSubstr("--keys")));
  EXPECT_EQ(Queue(stranger, {"--keys", state() + "/keys"}).exit_code, 0);
  std::map<std::string, std::string> told = stranger;
  told["STILL_KEYS"] = state() + "/keys";
  EXPECT_EQ(Queue(told).exit_code, 0);
  EXPECT_EQ(Queue(stranger, {"--keys", directory_ / "nowhere"}).exit_code, 3);
}

TEST_F(ServeCommandTest, TheTokenIsInNoOutputThatIsNoTerminal) {
  Serve();
  EXPECT_THAT(serve_->Output(), AllOf(Not(HasSubstr(LoadHttpToken(state() + "/keys").value())),
                                      HasSubstr("its address with the token is in " + state() + "/http")));
}

TEST_F(ServeCommandTest, WithoutKeysThereIsNothingToHaveOrToFind) {
  Serve({"--no-keys"});
  EXPECT_FALSE(Exists(state() + "/keys"));
  EXPECT_EQ(Queue({{"STILL_STATE", directory_ / "strange"}, {"STILL_COORDINATOR", Endpoint()}}).exit_code, 0);
  EXPECT_THAT(serve_->Output(), Not(HasSubstr("token")));
}

}  // namespace
}  // namespace still::cli
