#include "coordinator/stage_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/files.h"
#include "common/proto/control.pb.h"
#include "tests/testing/fake_launcher.h"
#include "tests/testing/temp_directory.h"

namespace still::coordinator {
namespace {

using cluster::ExitInfo;
using stillhouse::v1::Envelope;
using testing::FakeJob;
using ::testing::HasSubstr;
using ::testing::Not;

// Every look at the clock is a second later.
class RacingClock : public Clock {
 public:
  TimePoint Now() const override { return now_ += std::chrono::seconds(1); }
  std::string WallTime() const override { return ""; }
  void SleepFor(std::chrono::milliseconds) override {}

 private:
  mutable TimePoint now_;
};

// One rank's end of the line.
class Worker {
 public:
  Worker(const std::string& endpoint, std::uint64_t generation, std::uint32_t rank)
      : client_(RpcClient::Connect(endpoint, fmt::format("{}.{}", generation, rank)).value()),
        generation_(generation),
        rank_(rank) {}

  void Say(Envelope envelope) {
    envelope.set_generation(generation_);
    envelope.set_rank(rank_);
    ASSERT_TRUE(client_->Send(envelope.SerializeAsString()).ok());
  }
  void SayResult(Code code, const std::string& message) {
    Envelope envelope;
    envelope.mutable_stage_result()->set_code(static_cast<std::uint32_t>(code));
    envelope.mutable_stage_result()->set_message(message);
    Say(envelope);
  }
  void SayDone(std::uint32_t shard, const std::string& digest) {
    Envelope envelope;
    envelope.mutable_shard_done()->set_shard(shard);
    envelope.mutable_shard_done()->set_digest(digest);
    Say(envelope);
  }
  void SayProgress(std::uint64_t done, std::uint64_t total) {
    Envelope envelope;
    envelope.mutable_progress()->set_done(done);
    envelope.mutable_progress()->set_total(total);
    Say(envelope);
  }
  Envelope Ask(std::uint64_t request) {
    Envelope envelope;
    envelope.mutable_lease_request()->set_request(request);
    Say(envelope);
    return Answer();
  }
  Envelope Answer() {
    Envelope answer;
    const auto payload = client_->Receive(std::chrono::seconds(10));
    EXPECT_TRUE(payload.ok() && payload->has_value() && answer.ParseFromString(**payload)) << "no answer";
    return answer;
  }

 private:
  std::unique_ptr<RpcClient> client_;
  std::uint64_t generation_;
  std::uint32_t rank_;
};

class StageServerTest : public ::testing::Test {
 protected:
  void SetUp() override { Bind(Clock::System()); }

  void Bind(const Clock& clock) {
    server_ = StageServer::Bind({.stage = "train",
                                 .generation = 5,
                                 .shards = 3,
                                 .log_path = log_,
                                 .on_progress = [this](const StageProgress& progress) { seen_.push_back(progress); },
                                 .tick = std::chrono::milliseconds(20)},
                                clock)
                  .value();
  }
  std::unique_ptr<Worker> Rank(std::uint32_t rank) { return std::make_unique<Worker>(server_->endpoint(), 5, rank); }

  testing::TempDirectory directory_;
  const std::string log_ = JoinPath(directory_.path(), "train.log");
  std::vector<StageProgress> seen_;
  std::atomic<bool> stop_{false};
  std::unique_ptr<StageServer> server_;
};

TEST_F(StageServerTest, SuccessOfRankZeroIsTheOutcomeWhateverMpirunReturns) {
  FakeJob job([&](auto) {
    Rank(0)->SayResult(Code::kOk, "");
    return ExitInfo{.code = 137};
  });
  EXPECT_TRUE(server_->Run(job, stop_).ok());
}

TEST_F(StageServerTest, FailureKeepsItsCodeAndNamesStageAndRank) {
  FakeJob job([&](auto) {
    Rank(1)->SayResult(Code::kDataLoss, "shard 4 is damaged");
    return ExitInfo{};
  });
  const Status outcome = server_->Run(job, stop_);
  EXPECT_EQ(outcome.code(), Code::kDataLoss);
  EXPECT_EQ(outcome.message(), "train, rank 1: shard 4 is damaged");
}

TEST_F(StageServerTest, FirstFailureIsTheOutcome) {
  FakeJob job([&](auto) {
    const auto rank = Rank(1);  // one connection keeps order
    rank->SayResult(Code::kResourceExhausted, "disk full");
    rank->SayResult(Code::kUnavailable, "a peer is gone");
    rank->SayResult(Code::kOk, "");
    return ExitInfo{};
  });
  EXPECT_EQ(server_->Run(job, stop_).message(), "train, rank 1: disk full");
}

TEST_F(StageServerTest, DeathWithoutAResultIsUnavailableAndShowsTheEndOfThisLaunchsLog) {
  ASSERT_TRUE(WriteFileAtomically(log_, "an earlier launch\n").ok());
  Bind(Clock::System());
  ASSERT_TRUE(WriteFileAtomically(log_, "an earlier launch\nstarting\nrank 1 was killed\n").ok());
  FakeJob job([](auto) { return ExitInfo{.signal = 9}; });
  const Status outcome = server_->Run(job, stop_);
  EXPECT_EQ(outcome.code(), Code::kUnavailable);
  EXPECT_THAT(outcome.message(), HasSubstr("signal 9 (Killed)"));
  EXPECT_THAT(outcome.message(), HasSubstr(log_));
  EXPECT_THAT(outcome.message(), HasSubstr("run the same command again to resume"));
  EXPECT_THAT(outcome.message(), HasSubstr("\n    starting\n    rank 1 was killed"));
  EXPECT_THAT(outcome.message(), Not(HasSubstr("earlier")));
}

TEST_F(StageServerTest, MpirunThatHangsAfterTheResultIsKilled) {
  const RacingClock clock;
  Bind(clock);
  FakeJob job([&](std::stop_token killed) {
    Rank(0)->SayResult(Code::kOk, "");
    testing::WaitUntilKilled(killed);
    return ExitInfo{.signal = 9};
  });
  EXPECT_TRUE(server_->Run(job, stop_).ok());
  EXPECT_GE(job.kills, 1);
}

TEST_F(StageServerTest, StopTerminatesTheJobAndIsCancelled) {
  stop_ = true;
  FakeJob job([](std::stop_token killed) {
    testing::WaitUntilKilled(killed);
    return ExitInfo{.signal = 15};
  });
  EXPECT_EQ(server_->Run(job, stop_).code(), Code::kCancelled);
  EXPECT_EQ(job.terminations, 1);
  EXPECT_EQ(job.kills, 0);
}

TEST_F(StageServerTest, OldGenerationIsFencedAndItsResultDoesNotCount) {
  FakeJob job([&](auto) {
    Worker old(server_->endpoint(), 4, 0);
    old.SayResult(Code::kOk, "");
    EXPECT_EQ(old.Answer().fenced().current_generation(), 5u);
    EXPECT_TRUE(old.Ask(1).has_fenced());
    return ExitInfo{};
  });
  EXPECT_EQ(server_->Run(job, stop_).code(), Code::kUnavailable);
  EXPECT_EQ(server_->leases().granted(), 0u);
}

TEST_F(StageServerTest, ShardsAreLeasedOnceAndRepeatsAreAnsweredAlike) {
  FakeJob job([&](auto) {
    const auto zero = Rank(0);
    const auto one = Rank(1);
    EXPECT_EQ(zero->Ask(1).lease_grant().shard(), 0u);
    EXPECT_EQ(one->Ask(1).lease_grant().shard(), 1u);
    EXPECT_EQ(zero->Ask(1).lease_grant().shard(), 0u);
    EXPECT_EQ(zero->Ask(2).lease_grant().shard(), 2u);
    const Envelope none = one->Ask(2);
    EXPECT_FALSE(none.lease_grant().granted());
    EXPECT_EQ(none.lease_grant().request(), 2u);
    zero->SayDone(0, "digest");
    zero->SayResult(Code::kOk, "");
    return ExitInfo{};
  });
  EXPECT_TRUE(server_->Run(job, stop_).ok());
  EXPECT_EQ(server_->leases().done(), 1u);
}

TEST_F(StageServerTest, ShardComputedTwiceWithOtherBytesFailsTheStage) {
  FakeJob job([&](auto) {
    const auto rank = Rank(0);
    rank->Ask(1);
    rank->SayDone(0, "one");
    rank->SayDone(0, "two");
    rank->SayResult(Code::kOk, "");
    return ExitInfo{};
  });
  EXPECT_EQ(server_->Run(job, stop_).code(), Code::kDataLoss);
}

TEST_F(StageServerTest, ProgressOfRanksThatLeaseShardsIsSummed) {
  FakeJob job([&](auto) {
    const auto zero = Rank(0);
    const auto one = Rank(1);
    zero->SayProgress(10, 100);
    zero->Ask(1);  // answered, so the message before it has been read
    one->SayProgress(7, 100);
    one->Ask(1);
    zero->SayProgress(20, 100);
    zero->SayResult(Code::kOk, "");
    return ExitInfo{};
  });
  ASSERT_TRUE(server_->Run(job, stop_).ok());
  ASSERT_EQ(seen_.size(), 3u);
  EXPECT_EQ(seen_[0].done, 10u);
  EXPECT_EQ(seen_[1].done, 17u);
  EXPECT_EQ(seen_[2].done, 27u);
  EXPECT_EQ(seen_[2].total, 100u);
}

TEST_F(StageServerTest, GarbageIsDroppedAndTheStageGoesOn) {
  FakeJob job([&](auto) {
    const auto stranger = RpcClient::Connect(server_->endpoint(), "stranger").value();
    EXPECT_TRUE(stranger->Send("\xff\xff not a message").ok());
    Rank(0)->SayResult(Code::kOk, "");
    return ExitInfo{};
  });
  EXPECT_TRUE(server_->Run(job, stop_).ok());
}

}  // namespace
}  // namespace still::coordinator
