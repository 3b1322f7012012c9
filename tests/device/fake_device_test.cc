// The fake device finds what a real one would: stray host pointers, memory that was never written, early reads of
// asynchronous copies, and waits where there must be none.
#include "tests/device/fake_device.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace still::testing {
namespace {

class FakeDeviceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { InstallFakeDevice(); }

  at::Tensor device_ = at::empty({1000}, at::TensorOptions(at::kFloat).device(FakeDevice()));
  at::Tensor pinned_ = at::ones({1000}, at::kFloat).pin_memory();
};
using FakeDeviceDeathTest = FakeDeviceTest;

TEST_F(FakeDeviceDeathTest, TheHostCannotTouchItsMemory) {
  EXPECT_DEATH(device_.mutable_data_ptr<float>()[0] = 1, "");
  EXPECT_DEATH(static_cast<void>(*static_cast<const volatile float*>(device_.const_data_ptr())), "");
}

TEST_F(FakeDeviceTest, NewAndFreedMemoryIsNotANumber) {
  EXPECT_TRUE(device_.isnan().all().item<bool>());
  device_.fill_(3);
  const void* const address = device_.const_data_ptr();
  device_ = at::Tensor();
  const at::Tensor again = at::empty({1000}, at::TensorOptions(at::kFloat).device(FakeDevice()));
  ASSERT_EQ(again.const_data_ptr(), address);
  EXPECT_TRUE(again.isnan().all().item<bool>());
}

TEST_F(FakeDeviceTest, OperatorsGiveTheCpusBits) {
  const at::Tensor values = at::randn({37, 20}), weight = at::randn({20, 11});
  const auto compute = [](const at::Tensor& x, const at::Tensor& w) {
    return at::layer_norm(at::gelu(at::mm(x, w)), {11}).softmax(-1).cumsum(0).t().contiguous();
  };
  EXPECT_TRUE(compute(values.to(FakeDevice()), weight.to(FakeDevice())).cpu().equal(compute(values, weight)));
}

TEST_F(FakeDeviceTest, CountsWaitsAndBytes) {
  ResetFakeCounters();
  device_.copy_(pinned_, /*non_blocking=*/true);
  EXPECT_EQ(CountedByFake().bytes_to_device, 4000U);
  EXPECT_EQ(CountedByFake().Waits(), 0U);
  device_.copy_(at::ones({1000}));  // pageable
  EXPECT_EQ(CountedByFake().Waits(), 1U);
  EXPECT_EQ(device_.sum().item<float>(), 1000);
  EXPECT_EQ(CountedByFake().Waits(), 2U);
  EXPECT_EQ(CountedByFake().waits.at("item"), 1U);
}

TEST_F(FakeDeviceTest, WaitsThrowWhereTheyAreForbidden) {
  device_.fill_(1);
  const ForbidWaits guard;
  EXPECT_NO_THROW(device_.add_(1).mul_(2));
  EXPECT_ANY_THROW(device_.sum().item<float>());
  EXPECT_ANY_THROW(device_.cpu());
  EXPECT_ANY_THROW(device_.nonzero());
  EXPECT_ANY_THROW(device_.copy_(at::ones({1000})));
}

TEST_F(FakeDeviceTest, TensorsOfTheHostDoNotMix) { EXPECT_ANY_THROW(device_ + at::ones({1000})); }

TEST_F(FakeDeviceTest, AnAsynchronousCopyArrivesWithTheWait) {
  device_.fill_(7);
  pinned_.copy_(device_, /*non_blocking=*/true);
  EXPECT_TRUE(pinned_.isnan().all().item<bool>());
  static_cast<void>(device_.sum().item<float>());
  EXPECT_EQ(pinned_.sum().item<float>(), 7000);
}

TEST_F(FakeDeviceTest, PinnedMemoryThatChangesUnderItsCopyIsFound) {
  device_.copy_(pinned_, /*non_blocking=*/true);
  pinned_.zero_();
  EXPECT_ANY_THROW(device_.cpu());
}

}  // namespace
}  // namespace still::testing
