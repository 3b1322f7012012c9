// A coordinator as people run it, with its own state directory, and a pipeline whose training is still to do.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/undisturbed_run.h"
#include "tests/testing/process_tree.h"

namespace still::testing {

class DaemonFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    REQUIRE_DEMO_DATA();
    StartAt("student", pipeline_);  // the training is the first stage that runs
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
    std::vector<std::string> command = {STILL_BINARY,        "serve",       "--state", state(), "--listen",
                                        "tcp://127.0.0.1:*", "--http-port", "0"};
    command.insert(command.end(), serve_flags_.begin(), serve_flags_.end());
    return command;
  }
  void Serve() {
    serve_ = std::make_unique<Process>(ServeCommand(), environment_);
    Until("the coordinator serves", [&] { return serve_->Output().find("serving at") != std::string::npos; });
  }
  // Restarts the coordinator. Its agents and their ranks have this fault.
  void ServeWithFault(const std::string& fault) {
    environment_["STILL_FAULT"] = fault;
    KillServe();
    Serve();
  }
  void KillServe() {
    serve_->SignalSelf(SIGKILL);
    serve_->Wait();
  }
  ProcessResult Still(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), STILL_BINARY);
    arguments.insert(arguments.end(), {"--state", state()});
    return testing::Run(arguments);
  }
  ProcessResult Submit(std::vector<std::string> flags = {}) {
    pipeline_.Command();  // writes the configuration
    flags.insert(flags.begin(), {"submit", pipeline_.config_path()});
    return Still(flags);
  }
  // Returns what `still show` prints about the training.
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
  void ExpectTheUndisturbedStudent() const { EXPECT_EQ(pipeline_.StudentDigest(), UndisturbedDigest()); }

  TempDirectory directory_;
  TinyPipeline pipeline_{directory_.path(), DemoData()};
  std::map<std::string, std::string> environment_;  // of the coordinator, its agents and their ranks
  std::vector<std::string> serve_flags_;
  std::unique_ptr<Process> serve_;
};

}  // namespace still::testing
