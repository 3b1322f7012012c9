// The train stage with ranks that die, hang back, or find damage: the weights are those of the run nobody touched.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "common/faults/fault_point.h"
#include "tests/worker/train/training_fixture.h"
#include "worker/checkpoint/training_state.h"

namespace still::worker {
namespace {

using ::testing::Each;
using testing::FlipBit;
using ::testing::HasSubstr;
using testing::RankDied;
using testing::StatusIs;

// The moment of a step at which a rank dies.
enum class Moment { kBeforeReduce, kAfterReduce, kAfterVote, kNever };

// A communicator that passes everything on, and whose rank dies at a moment of the nth step (from 0) of this launch.
class MortalCommunicator final : public Communicator {
 public:
  MortalCommunicator(Communicator& world, Moment moment, int step, bool shrinks = true)
      : world_(world), moment_(moment), step_(step), shrinks_(shrinks) {}
  int rank() const override { return world_.rank(); }
  int size() const override { return world_.size(); }
  int launch_rank() const override { return world_.launch_rank(); }
  HostPlace host_place() const override { return world_.host_place(); }
  bool can_shrink() const override { return shrinks_; }
  Status Shrink() override {
    if (dies_in_shrink) throw RankDied();
    return world_.Shrink();
  }
  Status AllReduceSum(std::span<float> values) override {
    return Gradients(values.size(), [&] { return world_.AllReduceSum(values); });
  }
  Status AllReduceSum(std::span<std::int64_t> values) override {
    return Gradients(values.size(), [&] { return world_.AllReduceSum(values); });
  }
  Status AllReduceSum(std::span<const std::int64_t> in, std::span<std::int64_t> out) override {
    return Gradients(out.size(), [&] { return world_.AllReduceSum(in, out); });
  }
  Result<bool> Vote(bool ok) override {
    const Result<bool> vote = world_.Vote(ok);
    if (moment_ == Moment::kAfterVote && reduced_ > step_) throw RankDied();
    return vote;
  }
  Status Broadcast(std::string* bytes, int root) override { return world_.Broadcast(bytes, root); }
  Status Broadcast(std::span<std::byte> bytes, int root) override { return world_.Broadcast(bytes, root); }
  Status Barrier() override { return world_.Barrier(); }

  std::function<void(int step)> before_reduce = [](int) {};
  bool dies_in_shrink = false;
  bool says_no = false;  // at that step: its all-reduce fails for it alone

 private:
  template <typename Reduce>
  Status Gradients(std::size_t size, const Reduce& reduce) {
    if (size < 1000) return reduce();  // something else than gradients
    const bool now = reduced_ == step_;
    before_reduce(reduced_);
    if (now && moment_ == Moment::kBeforeReduce) throw RankDied();
    const Status status = reduce();
    if (status.ok()) ++reduced_;
    if (now && moment_ == Moment::kAfterReduce) throw RankDied();
    if (now && says_no) return Error(Code::kUnavailable, "the network went away");
    return status;
  }

  Communicator& world_;
  const Moment moment_;
  const int step_;
  const bool shrinks_;
  int reduced_ = 0;
};

class RecoveryTest : public TrainingFixture {
 protected:
  // `doomed` die at the moment of the step, the others go on in place; or, without `in_place`, fail.
  std::vector<Status> TrainWithDeaths(int ranks, const std::vector<int>& doomed, Moment moment, int step,
                                      bool in_place = true) {
    return Launch(ranks, [&](Communicator& world, const auto& train) {
      const bool dies = std::ranges::count(doomed, world.rank()) > 0;
      MortalCommunicator mortal(world, dies ? moment : Moment::kNever, step, in_place);
      return train(mortal);
    });
  }
  // All of `ranks` die before they reduce that step, when so many checkpoints are published: one every `gap` steps.
  // They are written in the background, and what was written is told at the next step: so each step waits a little.
  void TrainUntilPublished(std::size_t checkpoints, int gap, int ranks, int step) {
    Launch(ranks, [&](Communicator& world, const auto& train) {
      MortalCommunicator mortal(world, Moment::kBeforeReduce, step, /*shrinks=*/false);
      mortal.before_reduce = [&](int now) {
        const std::size_t wanted = std::min(checkpoints, static_cast<std::size_t>((now + gap / 2) / gap));
        for (int waits = 0; waits < 200 && coordinator_.Checkpoints().size() < wanted; ++waits)
          Clock::System().SleepFor(std::chrono::milliseconds(5));
      };
      return train(mortal);
    });
    ASSERT_GE(coordinator_.Checkpoints().size(), checkpoints);
  }
  void ExpectSurvivorsDone(const std::vector<Status>& statuses, const std::vector<int>& doomed) {
    for (std::size_t rank = 0; rank < statuses.size(); ++rank) {
      const bool died = std::ranges::count(doomed, static_cast<int>(rank)) > 0;
      EXPECT_EQ(statuses[rank].ok(), !died) << "rank " << rank << ": " << statuses[rank].ToString();
    }
  }
};

TEST_F(RecoveryTest, SurvivorsFinishTheStepInTheSameBitsWheneverARankDies) {
  const std::string undisturbed = UndisturbedDigest();
  for (const Moment moment : {Moment::kBeforeReduce, Moment::kAfterReduce, Moment::kAfterVote}) {
    for (const int doomed : {0, 1, 2}) {
      for (const int step : {0, 7}) {
        const std::uint64_t before = coordinator_.generation;
        ExpectSurvivorsDone(TrainWithDeaths(3, {doomed}, moment, step), {doomed});
        EXPECT_EQ(StudentDigest(), undisturbed) << static_cast<int>(moment) << " rank " << doomed << " step " << step;
        EXPECT_EQ(coordinator_.generation, before + 2) << "one for the launch, one for the shrink";
        ASSERT_OK_AND_ASSIGN(const Summary summary, ReadSummary(StudentPath()));
        EXPECT_EQ(summary.at("steps"), 11);
        StartOver();
      }
    }
  }
}

TEST_F(RecoveryTest, TwoDeathsAtOnceAndAllButOneAreSurvived) {
  const std::string undisturbed = UndisturbedDigest();
  for (const std::vector<int>& doomed : {std::vector<int>{0, 2}, std::vector<int>{1, 2, 3}}) {
    ExpectSurvivorsDone(TrainWithDeaths(4, doomed, Moment::kBeforeReduce, 4), doomed);
    EXPECT_EQ(StudentDigest(), undisturbed);
    StartOver();
  }
}

TEST_F(RecoveryTest, ADeathInTheRecoveryItselfIsSurvived) {
  const std::string undisturbed = UndisturbedDigest();
  const auto statuses = Launch(4, [&](Communicator& world, const auto& train) {
    MortalCommunicator mortal(world, world.rank() == 1 ? Moment::kBeforeReduce : Moment::kNever, 5);
    mortal.dies_in_shrink = world.rank() == 2;
    return train(mortal);
  });
  ExpectSurvivorsDone(statuses, {1, 2});
  EXPECT_EQ(StudentDigest(), undisturbed);
}

TEST_F(RecoveryTest, WithoutAGrantTheSurvivorsEndAndTheNextLaunchFinishesTheRun) {
  const std::string undisturbed = UndisturbedDigest();
  coordinator_.refuse_shrink = true;
  const auto statuses = TrainWithDeaths(3, {1}, Moment::kAfterReduce, 6);
  EXPECT_THAT(statuses.at(0), StatusIs(Code::kAborted));
  EXPECT_FALSE(Exists(StudentPath()));
  ASSERT_THAT(Train(2), Each(testing::IsOk()));
  EXPECT_EQ(StudentDigest(), undisturbed);
}

// Every rank of a launch dies; the state in memory outlives them.
TEST_F(RecoveryTest, ARelaunchLosesNoCommittedStep) {
  const std::string undisturbed = UndisturbedDigest();
  TrainConfig().set_checkpoint_steps(100);  // never
  for (const int step : {4, 9}) {
    const auto statuses = TrainWithDeaths(2, {0, 1}, Moment::kBeforeReduce, step, /*in_place=*/false);
    EXPECT_THAT(statuses, Each(StatusIs(Code::kUnavailable)));
    EXPECT_TRUE(coordinator_.Checkpoints().empty());
    const std::size_t reports = coordinator_.steps_reported().size();
    ASSERT_THAT(Train(3), Each(testing::IsOk()));
    EXPECT_EQ(coordinator_.steps_reported().at(reports), static_cast<std::uint64_t>(step) + 1) << "a step was redone";
    EXPECT_EQ(StudentDigest(), undisturbed);
    ASSERT_OK_AND_ASSIGN(const Summary summary, ReadSummary(StudentPath()));
    EXPECT_EQ(summary.at("steps"), 11);
    EXPECT_TRUE(std::filesystem::is_empty(SnapshotDirectory())) << "snapshots outlive their use";
    StartOver();
  }
}

TEST_F(RecoveryTest, RanksMayChangeAtEveryLaunch) {
  const std::string undisturbed = UndisturbedDigest();
  for (const int ranks : {1, 3}) {
    std::vector<int> all;
    for (int rank = 0; rank < ranks; ++rank) all.push_back(rank);
    TrainWithDeaths(ranks, all, Moment::kAfterVote, 3, /*in_place=*/false);
  }
  ASSERT_THAT(Train(2), Each(testing::IsOk()));
  EXPECT_EQ(StudentDigest(), undisturbed);
}

TEST_F(RecoveryTest, WithoutSnapshotsTheNewestCheckpointContinues) {
  const std::string undisturbed = UndisturbedDigest();
  SetSnapshotDirectory("none");
  TrainUntilPublished(1, 8, 2, 8);
  ASSERT_THAT(Train(3), Each(testing::IsOk()));
  EXPECT_EQ(StudentDigest(), undisturbed);
}

TEST_F(RecoveryTest, ADamagedCheckpointIsSetAsideAndTheOneBeforeContinues) {
  const std::string undisturbed = UndisturbedDigest();
  SetSnapshotDirectory("none");
  TrainConfig().set_checkpoint_steps(1);
  TrainUntilPublished(2, 4, 2, 9);
  const auto published = coordinator_.Checkpoints();
  const std::string newest = CheckpointPath(CheckpointDirectory(), published[0].info());
  FlipBit(JoinPath(newest, PartFile(0)), 3000);
  ASSERT_THAT(Train(2), Each(testing::IsOk()));
  EXPECT_EQ(StudentDigest(), undisturbed);
  EXPECT_TRUE(Exists(newest + ".bad"));
}

TEST_F(RecoveryTest, ATornSnapshotIsSkipped) {
  const std::string undisturbed = UndisturbedDigest();
  TrainWithDeaths(2, {0, 1}, Moment::kBeforeReduce, 9, /*in_place=*/false);
  for (const std::string& name : ListDirectory(SnapshotDirectory()).value())
    FlipBit(JoinPath(SnapshotDirectory(), name), 9000);
  ASSERT_THAT(Train(2), Each(testing::IsOk()));
  EXPECT_EQ(StudentDigest(), undisturbed);
}

TEST_F(RecoveryTest, SnapshotsThatCannotBeWrittenStopNothing) {
  const std::string undisturbed = UndisturbedDigest();
  SetSnapshotDirectory(root_ + "/nowhere");
  ASSERT_THAT(Train(2), Each(testing::IsOk()));
  EXPECT_EQ(StudentDigest(), undisturbed);
}

TEST_F(RecoveryTest, CheckpointsThatCannotBeWrittenAreReportedAndStopNothing) {
  const std::string undisturbed = UndisturbedDigest();
  ASSERT_OK(MakeDirectories(CheckpointDirectory()));
  for (int step = 1; step <= 11; ++step)  // files where the directories should be
    ASSERT_OK(WriteFileAtomically(
        CheckpointPath(CheckpointDirectory(), static_cast<std::uint64_t>(step), coordinator_.generation + 1),
        "in the way"));
  ASSERT_THAT(Train(2), Each(testing::IsOk()));
  EXPECT_EQ(StudentDigest(), undisturbed);
  EXPECT_TRUE(coordinator_.Checkpoints().empty());
  EXPECT_THAT(coordinator_.trouble(), HasSubstr("step-"));
}

TEST_F(RecoveryTest, AFailureOnOneRankEndsAllAlike) {
  const std::string undisturbed = UndisturbedDigest();
  const auto statuses = Launch(3, [&](Communicator& world, const auto& train) {
    MortalCommunicator mortal(world, Moment::kNever, 7, /*shrinks=*/false);
    mortal.says_no = world.rank() == 1;
    return train(mortal);
  });
  EXPECT_THAT(statuses, Each(StatusIs(Code::kUnavailable, HasSubstr("rank 1"))));
  EXPECT_FALSE(Exists(StudentPath()));
  ASSERT_THAT(Train(2), Each(testing::IsOk()));
  EXPECT_EQ(StudentDigest(), undisturbed);
}

TEST_F(RecoveryTest, ADrainFinishesTheStepLeavesACheckpointAndTheNextLaunchContinues) {
  const std::string undisturbed = UndisturbedDigest();
  SetSnapshotDirectory("none");
  TrainConfig().set_checkpoint_steps(100);
  words_[1].drain = 1;  // one rank is asked, all end
  EXPECT_THAT(Train(2), Each(StatusIs(Code::kCancelled, HasSubstr("step 1 of 11"))));
  words_[1].drain = 0;
  ASSERT_EQ(coordinator_.Checkpoints().size(), 1U);
  EXPECT_EQ(coordinator_.Checkpoints().front().info().step(), 1U);
  const std::size_t reports = coordinator_.steps_reported().size();
  ASSERT_THAT(Train(3), Each(testing::IsOk()));
  EXPECT_EQ(coordinator_.steps_reported().at(reports), 2U);
  EXPECT_EQ(StudentDigest(), undisturbed);
}

TEST_F(RecoveryTest, AFencedRankEndsTheLaunch) {
  coordinator_.fenced = {1};
  const auto statuses = Train(2);
  EXPECT_THAT(statuses, Each(StatusIs(Code::kAborted, HasSubstr("rank 1"))));
  EXPECT_FALSE(Exists(StudentPath()));
}

TEST_F(RecoveryTest, OneMicrobatchThatIsNotFiniteSkipsTheSameStepWhateverHappens) {
  ASSERT_OK(ArmFaults("*:4:compute:nan,*:9:compute:nan"));
  const std::string undisturbed = UndisturbedDigest();
  ASSERT_OK(ArmFaults("*:4:compute:nan,*:9:compute:nan"));  // each acts once a process
  ExpectSurvivorsDone(TrainWithDeaths(3, {2}, Moment::kAfterReduce, 2), {2});
  EXPECT_EQ(StudentDigest(), undisturbed);
  ASSERT_OK_AND_ASSIGN(const Summary summary, ReadSummary(StudentPath()));
  ASSERT_OK(ArmFaults(""));
  EXPECT_EQ(summary.at("skipped_steps"), 2);
}

TEST_F(RecoveryTest, FastSumsTrainAsWellWithoutThePromise) {
  TrainConfig().set_reduction(v1::REDUCTION_FAST);
  ExpectSurvivorsDone(TrainWithDeaths(3, {0}, Moment::kAfterReduce, 5), {0});
  ASSERT_OK_AND_ASSIGN(const Summary summary, ReadSummary(StudentPath()));
  EXPECT_EQ(summary.at("steps"), 11);
  EXPECT_LT(summary.at("loss_last"), summary.at("loss_first"));
}

}  // namespace
}  // namespace still::worker
