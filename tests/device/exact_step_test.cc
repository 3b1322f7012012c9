// The numeric core on the fake device: the CPU's bits, and no wait of the host within a microbatch.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "tests/device/fake_device.h"
#include "tests/numerics/small_model.h"
#include "worker/model/encoder.h"
#include "worker/train/loss.h"

namespace still::worker {
namespace {

using testing::Batch;
using testing::RandomBatch;
using testing::RandomModel;
using testing::SmallShape;

constexpr Dropout kDropout{.hidden = 0.1, .attention = 0.1, .key = 99};

at::Tensor Move(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.to(still::testing::FakeDevice()) : tensor;
}

Batch Move(const Batch& batch) {
  const auto& [hidden, ids, logits, log_partition] = batch.targets;
  return {.tokens = {Move(batch.tokens.tokens), Move(batch.tokens.lengths), batch.tokens.full},
          .rows = {Move(batch.rows.target_rows), Move(batch.rows.target_labels), Move(batch.rows.masked_rows),
                   Move(batch.rows.labels)},
          .targets = {Move(hidden), Move(ids), Move(logits), Move(log_partition)},
          .step = batch.step};
}

BatchTargets TopK(const ModelShape& shape, std::int64_t rows) {
  const at::Tensor logits = at::randn({rows, shape.vocabulary}, testing::Seeded(5), at::kFloat) * 3;
  const auto [values, ids] = logits.topk(6, 1);
  return {.ids = ids.contiguous(), .logits = values.contiguous(), .log_partition = at::logsumexp(logits / 2, 1)};
}

enum class Targets { kHidden, kTopK, kNone };

// The matrix products' type, the kind of targets, and whether all rows are full.
class ExactStepOnDeviceTest : public ::testing::TestWithParam<std::tuple<at::ScalarType, Targets, bool>> {
 protected:
  static void SetUpTestSuite() { still::testing::InstallFakeDevice(); }
  ExactStepOnDeviceTest() {
    const auto [matmul, targets, full] = GetParam();
    compute_.matmul = matmul;
    weights_ = {.alpha_ce = 5, .alpha_mlm = 2, .alpha_cos = targets == Targets::kHidden ? 1.0 : 0.0, .temperature = 2};
    if (full) {
      batch_.tokens.lengths.fill_(batch_.tokens.tokens.size(1));
      batch_.tokens.full = true;
    }
    if (targets == Targets::kTopK) batch_.targets = TopK(shape_, batch_.rows.target_rows.numel());
    if (targets == Targets::kNone) batch_.targets = {};
  }

  at::Tensor Microbatch(const ParameterSet& student, const ParameterSet& teacher, const Batch& batch) const {
    const at::Tensor hidden = EncoderForward(student, batch.tokens, kDropout, compute_);
    const at::Tensor sums = testing::NoSums(hidden.device());
    AccumulateGradients(student, &teacher, hidden, batch.rows, batch.targets, batch.step, weights_, compute_, sums);
    return sums;
  }

  const ModelShape shape_ = SmallShape(2);
  Compute compute_;
  LossWeights weights_;
  Batch batch_ = RandomBatch(shape_, 23);
  ParameterSet student_ = RandomModel(shape_, true, 21, at::kFloat);
  ParameterSet teacher_ = RandomModel(SmallShape(3), false, 22, at::kFloat);
};

TEST_P(ExactStepOnDeviceTest, GradientsAndLossesHaveTheCpusBits) {
  const at::Device device = still::testing::FakeDevice();
  const ParameterSet student = student_.To(device), teacher = teacher_.To(device);
  const Batch batch = Move(batch_);
  for (int microbatch = 0; microbatch < 2; ++microbatch) {  // the second adds to the gradients of the first
    const at::Tensor on_cpu = Microbatch(student_, teacher_, batch_);
    const at::Tensor on_device = Microbatch(student, teacher, batch);
    EXPECT_TRUE(on_device.cpu().equal(on_cpu));
    EXPECT_TRUE(student.gradients().cpu().equal(student_.gradients()));
  }
  EXPECT_GT(student_.gradients().abs().max().item<float>(), 1e-4);
}

TEST_P(ExactStepOnDeviceTest, TheHostNeverWaitsWithinAMicrobatch) {
  const at::Device device = still::testing::FakeDevice();
  const ParameterSet student = student_.To(device), teacher = teacher_.To(device);
  const Batch batch = Move(batch_);
  at::Tensor sums;
  {
    const still::testing::ForbidWaits guard;
    student.gradients().zero_();
    sums = Microbatch(student, teacher, batch);
  }
  EXPECT_GT(LossSumsOf(sums.cpu()).mlm, 0);
}

std::string NameOf(const ::testing::TestParamInfo<ExactStepOnDeviceTest::ParamType>& info) {
  const std::string matmul = std::get<0>(info.param) == at::kFloat ? "Float" : "Bfloat16";
  const Targets targets = std::get<1>(info.param);
  const std::string kind = targets == Targets::kHidden ? "Hidden" : targets == Targets::kTopK ? "TopK" : "NoTargets";
  return matmul + kind + (std::get<2>(info.param) ? "Full" : "Ragged");
}

INSTANTIATE_TEST_SUITE_P(All, ExactStepOnDeviceTest,
                         ::testing::Combine(::testing::Values(at::kFloat, at::kBFloat16),
                                            ::testing::Values(Targets::kHidden, Targets::kTopK, Targets::kNone),
                                            ::testing::Bool()),
                         NameOf);

}  // namespace
}  // namespace still::worker
