// A launch server on a real socket, with ranks that the test plays.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "coordinator/launch/launch_server.h"
#include "coordinator/launch/relaunch_policy.h"
#include "tests/testing/fake_launcher.h"
#include "tests/testing/fake_rank.h"
#include "tests/testing/temp_directory.h"

namespace still::coordinator {

class LaunchServerFixture : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kLaunched = 5;

  // Makes `server_` with `options`, for three ranks that were launched as generation kLaunched.
  void Serve(LaunchOptions options, const Clock& clock) {
    options.generation = kLaunched;
    options.ranks = 3;
    options.log_path = log_;
    options.on_progress = [this](const v1::Progress& progress) { seen_.push_back(progress); };
    server_ = LaunchServer::Bind(std::move(options), clock).value();
  }
  void RecordShrink(const v1::GenerationEnd& end, std::size_t survivors) {
    shrinks_.push_back(fmt::format("{}: {}, {} left", end.generation(), EndText(end), survivors));
  }
  std::unique_ptr<testing::FakeRank> Rank(std::uint32_t rank) {
    return std::make_unique<testing::FakeRank>(server_->endpoint(), kLaunched, rank);
  }
  v1::GenerationEnd Run(testing::FakeJob& job) { return server_->Run(job, stops_); }

  testing::TempDirectory directory_;
  const std::string log_ = directory_ / "ranks.log";
  std::vector<v1::Progress> seen_;
  std::vector<std::string> shrinks_;
  std::atomic<int> stops_{0};
  std::unique_ptr<LaunchServer> server_;
};

}  // namespace still::coordinator
