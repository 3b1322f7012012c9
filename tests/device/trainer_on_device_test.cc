// The train stage on the fake device, ranks as threads: the CPU's weights, and how often the host waits.
#include <gtest/gtest.h>

#include "tests/device/fake_device.h"
#include "tests/worker/train/training_fixture.h"

namespace still::worker {
namespace {

using ::testing::Each;

class TrainerOnDeviceTest : public TrainingFixture {
 protected:
  static void SetUpTestSuite() { still::testing::InstallFakeDevice(); }

  void UseDevice() { task_.mutable_config()->mutable_worker()->set_device(v1::DEVICE_FAKE); }

  struct Traffic {
    std::uint64_t waits = 0;
    std::uint64_t bytes_to_host = 0;
  };
  // Trains on one rank, without snapshots and with one checkpoint at the end, whose copies to the host are left out of
  // the waits.
  Traffic TrafficOf(std::uint32_t steps) {
    StartOver();
    TrainConfig().set_max_steps(steps);
    TrainConfig().set_checkpoint_steps(1000);
    SetSnapshotDirectory("none");
    still::testing::ResetFakeCounters();
    EXPECT_THAT(Train(1), Each(testing::IsOk()));
    const still::testing::FakeCounters& counted = still::testing::CountedByFake();
    return {counted.Waits() - counted.waits.at("copy to the host"), counted.bytes_to_host};
  }
};

TEST_F(TrainerOnDeviceTest, WeightsAreTheCpusForOneTwoAndThreeRanks) {
  const std::string cpu = UndisturbedDigest();
  UseDevice();
  for (const int ranks : {1, 2, 3}) {
    still::testing::ResetFakeCounters();
    ASSERT_THAT(Train(ranks), Each(testing::IsOk()));
    EXPECT_EQ(StudentDigest(), cpu) << ranks << " ranks";
    EXPECT_FALSE(still::testing::CountedByFake().operators.empty()) << "the device computed nothing";
    StartOver();
  }
}

TEST_F(TrainerOnDeviceTest, FastSumsOfOneRankAreTheCpusToo) {
  TrainConfig().set_reduction(v1::REDUCTION_FAST);
  const std::string cpu = UndisturbedDigest();
  UseDevice();
  ASSERT_THAT(Train(1), Each(testing::IsOk()));
  EXPECT_EQ(StudentDigest(), cpu);
}

TEST_F(TrainerOnDeviceTest, AStepWaitsTwiceHoweverManyMicrobatchesItHas) {
  UseDevice();
  for (const std::uint32_t microbatch_tokens : {64U, 512U}) {
    TrainConfig().set_microbatch_tokens(microbatch_tokens);
    const Traffic few = TrafficOf(3), many = TrafficOf(8);
    EXPECT_EQ(many.waits - few.waits, 2U * 5) << microbatch_tokens;
    EXPECT_LT(many.bytes_to_host - few.bytes_to_host, 5U * 512 * 1024) << microbatch_tokens;
  }
}

}  // namespace
}  // namespace still::worker
