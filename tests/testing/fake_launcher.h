// A launcher whose "mpirun" is a function in a thread: a test scripts what workers send and how they end.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "cluster/launcher.h"

namespace still::testing {

class FakeJob : public cluster::LaunchedJob {
 public:
  // Both Terminate and Kill signal `killed`. A script that ignores Terminate reads `kills`.
  using Script = std::function<cluster::ExitInfo(std::stop_token killed)>;

  explicit FakeJob(Script script)
      : thread_(
            [this, script = std::move(script)](std::stop_token killed) { exit_.set_value(script(std::move(killed))); }),
        ended_(exit_.get_future()) {}

  std::optional<cluster::ExitInfo> Poll() override {
    if (!info_ && ended_.wait_for(std::chrono::seconds(0)) == std::future_status::ready) info_ = ended_.get();
    return info_;
  }
  void Terminate() override {
    ++terminations;
    thread_.request_stop();
  }
  void Kill() override {
    ++kills;
    thread_.request_stop();
  }

  int terminations = 0;
  int kills = 0;

 private:
  std::promise<cluster::ExitInfo> exit_;
  std::jthread thread_;
  std::future<cluster::ExitInfo> ended_;
  std::optional<cluster::ExitInfo> info_;
};

class FakeLauncher : public cluster::Launcher {
 public:
  using Script = std::function<cluster::ExitInfo(const cluster::LaunchSpec&, std::stop_token killed)>;

  explicit FakeLauncher(Script script) : script_(std::move(script)) {}

  Result<std::unique_ptr<cluster::LaunchedJob>> Launch(const cluster::LaunchSpec& spec) override {
    launches.push_back(spec);
    return std::unique_ptr<cluster::LaunchedJob>(std::make_unique<FakeJob>(
        [script = script_, spec](std::stop_token killed) { return script(spec, std::move(killed)); }));
  }

  std::vector<cluster::LaunchSpec> launches;

 private:
  Script script_;
};

// Blocks until the job is terminated or killed.
inline void WaitUntilKilled(const std::stop_token& killed) {
  std::promise<void> done;
  const std::stop_callback callback(killed, [&] { done.set_value(); });
  done.get_future().wait();
}

}  // namespace still::testing
