// A gang and its server around deaths: evidence, survivors, checkpoints, full storage.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/storage/files.h"
#include "tests/coordinator/launch/launch_server_fixture.h"
#include "tests/testing/checkpoints.h"
#include "tests/testing/memory_kv_store.h"
#include "tests/testing/racing_clock.h"
#include "tests/testing/status_matchers.h"

namespace still::coordinator {
namespace {

using cluster::ExitInfo;
using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::FakeJob;
using testing::FakeRank;
using ::testing::HasSubstr;
using testing::MemoryDisk;
using testing::MemoryKvStore;

class LaunchServerRecoveryTest : public LaunchServerFixture {
 protected:
  void SetUp() override {
    disk_->records["generation"] = "5";
    Bind(Clock::System(), true);
  }

  void Bind(const Clock& clock, bool survivors_go_on, std::chrono::milliseconds drain = std::chrono::seconds(10)) {
    LaunchOptions options{.stage = v1::STAGE_TRAIN,
                          .survivors_go_on = survivors_go_on,
                          .publisher = &publisher_,
                          .tick = std::chrono::milliseconds(20),
                          .drain_patience = std::chrono::hours(1),
                          .drain = drain,
                          .publish_retry = std::chrono::milliseconds(1)};
    options.on_shrink = [this](const v1::GenerationEnd& end, std::size_t survivors) {
      RecordShrink(end, survivors);
      return journal_.NextGeneration(end);
    };
    options.on_storage_trouble = [this](const std::string& text) { troubles_.push_back(text); };
    Serve(std::move(options), clock);
  }
  v1::CheckpointInfo InfoOf(std::uint64_t step, std::uint64_t generation = kLaunched) {
    EXPECT_OK(MakeDirectories(Path(step, generation)));
    return testing::InfoOf(step, generation);
  }
  std::string Path(std::uint64_t step, std::uint64_t generation = kLaunched) const {
    return CheckpointPath(directory_ / "checkpoints", step, generation);
  }
  std::vector<std::uint64_t> Published() const {
    std::vector<std::uint64_t> steps;
    for (const v1::CheckpointManifest& manifest : journal_.Manifests().value()) steps.push_back(manifest.info().step());
    return steps;
  }

  std::shared_ptr<MemoryDisk> disk_ = std::make_shared<MemoryDisk>();
  JobJournal journal_{"journal", std::make_unique<MemoryKvStore>(disk_)};
  CheckpointPublisher publisher_{journal_, directory_ / "checkpoints", {.keep_last = 2}};
  std::vector<std::string> troubles_;
};

TEST_F(LaunchServerRecoveryTest, EvidenceOfADeathIsWhereTheRanksWere) {
  ASSERT_OK(WriteFileAtomically(log_, "mpirun noticed that process rank 1 with PID 7 on node a exited on signal 9\n"));
  Bind(Clock::System(), false);
  ASSERT_OK(WriteFileAtomically(
      log_, ReadFile(log_).value() + "mpirun noticed that process rank 2 with PID 8 on node a exited\n"));
  FakeJob job([&](auto) {
    Rank(0)->Beat(v1::PHASE_VOTE, 17);
    Rank(2)->Beat(v1::PHASE_COMPUTE, 17);
    return ExitInfo{.code = 137};
  });
  const v1::GenerationEnd end = Run(job);
  EXPECT_EQ(end.code(), v1::CODE_UNAVAILABLE);
  EXPECT_THAT(end.death().ranks(), ElementsAre(2u));
  EXPECT_EQ(end.death().cause(), v1::DEATH_CAUSE_DIED);
  EXPECT_EQ(end.death().phase(), v1::PHASE_COMPUTE);
  EXPECT_EQ(end.step(), 17u);
  EXPECT_THAT(end.why(), HasSubstr("rank 0 in vote of step 17, rank 2 in compute of step 17"));
}

TEST_F(LaunchServerRecoveryTest, GuardiansLastWordsNameTheCulprit) {
  FakeJob job([&](auto) {
    Rank(0)->Beat(v1::PHASE_REDUCE, 4);
    const auto guardian = Rank(1);
    guardian->SayKilled(v1::DEATH_CAUSE_HUNG, v1::PHASE_COMPUTE, 4);
    guardian->Beat(v1::PHASE_COMPUTE, 4);
    return ExitInfo{.code = 137};
  });
  const v1::GenerationEnd end = Run(job);
  EXPECT_THAT(end.death().ranks(), ElementsAre(1u));
  EXPECT_EQ(end.death().cause(), v1::DEATH_CAUSE_HUNG);
  EXPECT_EQ(end.death().step(), 4u);
}

TEST_F(LaunchServerRecoveryTest, SurvivorsGoOnAsANewGenerationAndTheDeadAreFenced) {
  FakeJob job([&](auto) {
    const auto zombie = Rank(0);
    zombie->Beat(v1::PHASE_COMPUTE, 9);
    const auto one = Rank(1);
    const auto granted = one->AskShrink(1, 9, {1, 2});
    EXPECT_EQ(granted.shrink_reply().generation(), 6u);
    EXPECT_EQ(granted.shrink_reply().request(), 1u);
    EXPECT_EQ(journal_.Generation().value(), 6u) << "it is journaled before it is granted";
    EXPECT_EQ(one->AskShrink(1, 9, {1, 2}).shrink_reply().generation(), 6u) << "the same request";
    EXPECT_EQ(zombie->Beat().fenced().current_generation(), 6u);
    zombie->SayResult(Code::kDataLoss, "woke up");
    zombie->Answer();
    Rank(2)->Beat(v1::PHASE_COMPUTE, 10);
    one->SayResult(Code::kOk);
    return ExitInfo{};
  });
  const v1::GenerationEnd end = Run(job);
  EXPECT_EQ(end.code(), v1::CODE_OK);
  EXPECT_EQ(end.generation(), 6u);
  EXPECT_EQ(end.step(), 10u);
  EXPECT_THAT(shrinks_, ElementsAre("5: rank 0 died in compute of step 9, 2 left"));
}

TEST_F(LaunchServerRecoveryTest, DeathAfterDeathIsSurvivedDownToOneRank) {
  FakeJob job([&](auto) {
    EXPECT_EQ(Rank(0)->AskShrink(1, 3, {0, 2}).shrink_reply().generation(), 6u);
    const auto last = Rank(2);
    EXPECT_EQ(last->AskShrink(1, 3, {2}).shrink_reply().generation(), 7u);
    last->SayResult(Code::kOk);
    return ExitInfo{};
  });
  EXPECT_EQ(Run(job).generation(), 7u);
  EXPECT_THAT(shrinks_, ElementsAre("5: rank 1 died in step 3, 2 left", "6: rank 0 died in step 3, 1 left"));
}

TEST_F(LaunchServerRecoveryTest, RequestOfImpossibleSurvivorsIsRefused) {
  FakeJob job([&](auto) {
    EXPECT_EQ(Rank(1)->AskShrink(1, 9, {0, 2}).shrink_reply().generation(), 0u) << "the sender is not in it";
    EXPECT_EQ(Rank(0)->AskShrink(1, 9, {0, 7}).shrink_reply().generation(), 0u) << "there is no rank 7";
    return ExitInfo{};
  });
  EXPECT_EQ(Run(job).generation(), kLaunched);
  EXPECT_TRUE(shrinks_.empty());
  EXPECT_EQ(journal_.Generation().value(), kLaunched);
}

TEST_F(LaunchServerRecoveryTest, GenerationThatCannotBeJournaledIsNotGranted) {
  FakeJob job([&](auto) {
    disk_->full = true;
    const auto rank = Rank(0);
    EXPECT_EQ(rank->AskShrink(1, 9, {0, 1}).shrink_reply().generation(), 0u);
    disk_->full = false;
    EXPECT_EQ(rank->AskShrink(1, 9, {0, 1}).shrink_reply().generation(), 0u) << "the same request, the same answer";
    return ExitInfo{};
  });
  EXPECT_EQ(Run(job).code(), v1::CODE_UNAVAILABLE);
}

TEST_F(LaunchServerRecoveryTest, LaunchThatEndsGrantsNoNewGeneration) {
  FakeJob job([&](auto) {
    const auto rank = Rank(0);
    rank->SayResult(Code::kDataLoss, "flipped");
    EXPECT_EQ(rank->AskShrink(1, 9, {0, 1}).shrink_reply().generation(), 0u);
    return ExitInfo{};
  });
  EXPECT_EQ(Run(job).code(), v1::CODE_DATA_LOSS);
}

TEST_F(LaunchServerRecoveryTest, ALaunchThatCanShrinkOutlivesOneRankThatMissesAPeer) {
  FakeJob job([&](auto) {
    const auto one = Rank(1);
    one->SayResult(Code::kUnavailable, "a peer is gone");
    one->Beat();
    EXPECT_EQ(Rank(0)->AskShrink(1, 9, {0, 2}).shrink_reply().generation(), 6u);
    Rank(0)->SayResult(Code::kOk);
    return ExitInfo{};
  });
  EXPECT_EQ(Run(job).code(), v1::CODE_OK);
}

TEST_F(LaunchServerRecoveryTest, ALaunchWhoseRanksAllMissAPeerEnds) {
  const testing::RacingClock clock;
  Bind(clock, true);
  FakeJob job([&](std::stop_token killed) {
    for (const std::uint32_t rank : {0, 1, 2}) Rank(rank)->SayResult(Code::kUnavailable, "a peer is gone");
    testing::WaitUntilKilled(killed);
    return ExitInfo{.signal = 9};
  });
  const v1::GenerationEnd end = Run(job);
  EXPECT_EQ(end.code(), v1::CODE_UNAVAILABLE);
  EXPECT_THAT(end.why(), HasSubstr("train, rank 2: a peer is gone"));
  EXPECT_GE(job.kills, 1);
}

TEST_F(LaunchServerRecoveryTest, MpirunThatHangsWithoutARankGetsOnlyAMoment) {
  const testing::RacingClock clock;
  Bind(clock, true, std::chrono::hours(1));  // the longer patience never passes here
  FakeJob job([&](std::stop_token killed) {
    EXPECT_EQ(Rank(1)->AskShrink(1, 9, {1, 2}).shrink_reply().generation(), 6u);
    Rank(1)->SayResult(Code::kOk);
    testing::WaitUntilKilled(killed);
    return ExitInfo{.signal = 9};
  });
  EXPECT_EQ(Run(job).code(), v1::CODE_OK);
  EXPECT_GE(job.kills, 1);
}

TEST_F(LaunchServerRecoveryTest, CompleteCheckpointIsPublishedAndAllWritersAreTold) {
  FakeJob job([&](auto) {
    const auto zero = Rank(0);
    const auto one = Rank(1);
    zero->SayParts(InfoOf(10), {0}, 2);
    zero->Beat();
    EXPECT_TRUE(Published().empty());
    one->SayParts(InfoOf(10), {1}, 2);
    EXPECT_EQ(zero->Answer().checkpoint_published().step(), 10u);
    EXPECT_EQ(one->Answer().checkpoint_published().step(), 10u);
    EXPECT_THAT(Published(), ElementsAre(10));
    EXPECT_EQ(ReadManifest(Path(10)).value().parts_size(), 2);
    one->SayParts(InfoOf(10), {1}, 2);
    EXPECT_EQ(one->Answer().checkpoint_published().step(), 10u) << "a repeated message is answered again";
    stops_ = 1;
    one->SayResult(Code::kCancelled, "step 10");
    return ExitInfo{};
  });
  const v1::GenerationEnd end = Run(job);
  EXPECT_EQ(end.why(), "train: stopped after step 10, published");
  EXPECT_EQ(end.code(), v1::CODE_CANCELLED);
}

TEST_F(LaunchServerRecoveryTest, ACheckpointNeedsNoShareOfADeadRank) {
  FakeJob job([&](auto) {
    const auto zero = Rank(0);
    const auto one = Rank(1);
    one->SayParts(InfoOf(10), {1}, 3);
    one->Beat();
    EXPECT_EQ(zero->AskShrink(1, 12, {0, 2}).shrink_reply().generation(), 6u);
    const auto two = Rank(2);
    zero->SayParts(InfoOf(14, 6), {0}, 2);
    two->SayParts(InfoOf(14, 6), {1}, 2);
    EXPECT_EQ(two->Answer().checkpoint_published().step(), 14u);
    zero->SayResult(Code::kOk);
    return ExitInfo{};
  });
  EXPECT_EQ(Run(job).code(), v1::CODE_OK);
  EXPECT_THAT(Published(), ElementsAre(14));
  EXPECT_FALSE(Exists(Path(10))) << "it will never be complete";
}

TEST_F(LaunchServerRecoveryTest, RanksInDifferentStatesEndTheLaunchWithTheirNames) {
  FakeJob job([&](std::stop_token killed) {
    Rank(0)->SayParts(InfoOf(10), {0}, 2, "one");
    Rank(1)->SayParts(InfoOf(10), {1}, 2, "other");
    testing::WaitUntilKilled(killed);
    return ExitInfo{.signal = 15};
  });
  const v1::GenerationEnd end = Run(job);
  EXPECT_EQ(end.code(), v1::CODE_DATA_LOSS);
  EXPECT_THAT(end.why(), AllOf(HasSubstr("one on rank 0"), HasSubstr("other on rank 1")));
  EXPECT_EQ(job.terminations, 1);
  EXPECT_TRUE(Published().empty());
}

TEST_F(LaunchServerRecoveryTest, FullDiskUnderTheJournalDelaysAPublishAndNothingElse) {
  FakeJob job([&](auto) {
    disk_->full = true;
    const auto rank = Rank(0);
    rank->SayParts(InfoOf(10), {0, 1}, 1);
    while (disk_->refusals < 2) rank->Beat();  // until it was tried again
    disk_->full = false;
    EXPECT_EQ(rank->Answer().checkpoint_published().step(), 10u);
    rank->SayResult(Code::kOk);
    return ExitInfo{};
  });
  EXPECT_EQ(Run(job).code(), v1::CODE_OK);
  EXPECT_THAT(Published(), ElementsAre(10));
  EXPECT_THAT(troubles_, ElementsAre("journal: no space left on device", ""));
}

TEST_F(LaunchServerRecoveryTest, TroubleOfManyRanksIsShownOnce) {
  FakeJob job([&](auto) {
    const auto zero = Rank(0);
    const auto one = Rank(1);
    for (const auto& rank : {zero.get(), one.get()}) {
      rank->SayStorageTrouble("no space");
      rank->Beat();
    }
    zero->SayStorageTrouble("");
    zero->Beat();
    one->SayStorageTrouble("");
    one->SayResult(Code::kOk);
    return ExitInfo{};
  });
  EXPECT_EQ(Run(job).code(), v1::CODE_OK);
  EXPECT_THAT(troubles_, ElementsAre("rank 0: no space", ""));
}

TEST_F(LaunchServerRecoveryTest, DeadRanksTroubleIsOver) {
  FakeJob job([&](auto) {
    const auto one = Rank(1);
    one->SayStorageTrouble("no space");
    one->Beat();
    Rank(0)->AskShrink(1, 9, {0, 2});
    Rank(0)->SayResult(Code::kOk);
    return ExitInfo{};
  });
  Run(job);
  EXPECT_THAT(troubles_, ElementsAre("rank 1: no space", ""));
}

}  // namespace
}  // namespace still::coordinator
