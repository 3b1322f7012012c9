#include "worker/model/encoder.h"

#include <gtest/gtest.h>

#include "common/random.h"
#include "tests/numerics/reference_model.h"
#include "tests/numerics/small_model.h"
#include "worker/device/dropout_mask.h"

namespace still::worker {
namespace {

using testing::RandomBatch;
using testing::RandomModel;
using testing::SmallShape;

constexpr Compute kExact{at::kDouble};

double MaxDifference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

at::Tensor Attended(const at::Tensor& hidden, const testing::Batch& batch) {
  return hidden.flatten(0, 1).index_select(0, batch.rows.target_rows);
}

TEST(ModelShapeTest, CountsDistilBertsParameters) {
  const ModelShape shape{
      .layers = 6, .hidden = 768, .heads = 12, .intermediate = 3072, .vocabulary = 30522, .positions = 512};
  EXPECT_EQ(shape.EncoderParameters(), 66'362'880);
  EXPECT_EQ(shape.Parameters(), 66'985'530);
  const ParameterInfo last = ParameterLayout(shape).back();
  EXPECT_EQ(last.offset + last.size, 66'985'530);
}

TEST(ParameterSetTest, AutogradAddsIntoTheFlatGradient) {
  const ParameterSet model = RandomModel(SmallShape(1), true, 1);
  const void* memory = model["head.norm.bias"].grad().const_data_ptr();
  for (int pass = 1; pass <= 2; ++pass) {
    (model["head.norm.bias"] * 3).sum().backward();
    // A sparse gradient, as the word table's.
    at::embedding(model["embeddings.word"], at::tensor({2, 2, 5}, at::kLong), -1, false, true).sum().backward();
    EXPECT_EQ(model.gradients().sum().item<double>(), pass * 3.0 * (16 + 16));
  }
  EXPECT_EQ(model["head.norm.bias"].grad().const_data_ptr(), memory);
}

TEST(EncoderTest, EqualsThePlainReference) {
  const ParameterSet model = RandomModel(SmallShape(2), false, 2);
  const testing::Batch batch = RandomBatch(model.shape(), 3);
  const at::Tensor ours = EncoderForward(model, batch.tokens, {}, kExact);
  const at::Tensor plain = reference::EncodeBatch(model, batch.tokens);
  EXPECT_LT(MaxDifference(Attended(ours, batch), Attended(plain, batch)), 1e-12);
  const at::Tensor rows = Attended(ours, batch);
  EXPECT_LT(
      MaxDifference(HeadLogits(model, HeadTransform(model, rows, kExact), kExact), reference::Logits(model, rows)),
      1e-12);
}

TEST(EncoderTest, PaddingDoesNotChangeASequence) {
  const ParameterSet model = RandomModel(SmallShape(2), false, 2);
  testing::Batch batch = RandomBatch(model.shape(), 3);
  const at::Tensor before = EncoderForward(model, batch.tokens, {}, kExact);
  batch.tokens.tokens[1].slice(0, 4).fill_(7);  // other ids in the padding
  const at::Tensor after = EncoderForward(model, batch.tokens, {}, kExact);
  EXPECT_TRUE(Attended(before, batch).equal(Attended(after, batch)));
  const TokenBatch alone{batch.tokens.tokens.slice(0, 1, 2).slice(1, 0, 4), batch.tokens.lengths.slice(0, 1, 2)};
  EXPECT_LT(MaxDifference(EncoderForward(model, alone, {}, kExact)[0], after[1].slice(0, 0, 4)), 1e-12);
}

TEST(EncoderTest, DropoutDependsOnItsKeyAlone) {
  const ParameterSet model = RandomModel(SmallShape(2), false, 2);
  const testing::Batch batch = RandomBatch(model.shape(), 3);
  const auto run = [&](double hidden, double attention, std::uint64_t key) {
    return Attended(EncoderForward(model, batch.tokens, {hidden, attention, key}, kExact), batch);
  };
  EXPECT_TRUE(run(0.1, 0.1, 5).equal(run(0.1, 0.1, 5)));
  EXPECT_FALSE(run(0.1, 0.1, 5).equal(run(0.1, 0.1, 6)));
  EXPECT_FALSE(run(0, 0.1, 5).equal(run(0, 0, 5)));
  EXPECT_FALSE(run(0.1, 0, 5).equal(run(0, 0, 5)));
  EXPECT_TRUE(run(0, 0, 5).equal(run(0, 0, 6)));
}

TEST(EncoderDeathTest, RefusesASequenceLongerThanThePositionTable) {
  const ParameterSet model = RandomModel(SmallShape(1), false, 2);
  const TokenBatch batch{at::zeros({1, 13}, at::kLong), at::full({1}, 13, at::kLong)};
  EXPECT_DEATH(EncoderForward(model, batch, {}, kExact), "longer than the position table");
}

// The documented mapping, one scalar Philox block at a time.
TEST(DropoutMaskTest, IsPhiloxOfKeySiteAndElement) {
  constexpr std::uint64_t kKey = 0x123456789abcdef;
  constexpr std::uint32_t kSite = 7;
  const std::uint32_t threshold = DropThreshold(0.1);
  std::vector<float> mask(1000);
  FillDropoutMask(kKey, kSite, threshold, 2.0f, 0, 1000, mask.data());
  for (std::size_t e = 0; e < mask.size(); ++e) {
    const std::size_t half = e % 128 / 16;
    const PhiloxBlock block = Philox4x32({static_cast<std::uint32_t>(e / 128 * 16 + e % 16), 0, kSite, 0}, kKey);
    const std::uint32_t draw = block[half / 2] >> (16 * (half % 2)) & 0xffff;
    ASSERT_EQ(mask[e], draw < threshold ? 0.0f : 2.0f) << "element " << e;
  }
  std::vector<float> part(300);
  FillDropoutMask(kKey, kSite, threshold, 2.0f, 256, 300, part.data());
  EXPECT_TRUE(std::equal(part.begin(), part.end(), mask.begin() + 256));
}

TEST(DropoutMaskTest, DropsAtTheRate) {
  constexpr int kSize = 1 << 20;
  std::vector<float> mask(kSize);
  FillDropoutMask(9, 1, DropThreshold(0.1), 1.0f, 0, kSize, mask.data());
  double kept = 0;
  for (const float value : mask) kept += value;
  EXPECT_NEAR(1 - kept / kSize, 0.1, 0.0015);  // five standard deviations
}

}  // namespace
}  // namespace still::worker
