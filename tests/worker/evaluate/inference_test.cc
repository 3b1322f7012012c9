// The teacher that writes targets and the measurements of a report, each against the plain definition.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "common/storage/files.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"
#include "tests/worker/evaluate/random_model.h"
#include "worker/evaluate/measure.h"
#include "worker/model/encoder.h"
#include "worker/model/model_files.h"
#include "worker/targets/target_teacher.h"

namespace still::worker {
namespace {

using shards::MaskedSequence;
using shards::TargetCodec;
using shards::TargetRecord;
using ::still::testing::StatusIs;

const MaskedSequence kLong{.input = {2, 7, 4, 9, 4, 11, 30, 3}, .positions = {2, 4}, .labels = {8, 10}, .hash = 1};
const MaskedSequence kShort{.input = {2, 4, 17, 3}, .positions = {1}, .labels = {39}, .hash = 2};

// All logits of one sequence, computed alone: [S, V].
at::Tensor PlainHidden(const ParameterSet& model, const MaskedSequence& sequence) {
  const std::vector<std::int64_t> ids(sequence.input.begin(), sequence.input.end());
  const TokenBatch batch{.tokens = at::tensor(ids).unsqueeze(0),
                         .lengths = at::tensor(std::vector<std::int64_t>{static_cast<std::int64_t>(ids.size())})};
  return EncoderForward(model, batch, Dropout{}, Compute{})[0];
}
at::Tensor PlainLogits(const ParameterSet& model, const MaskedSequence& sequence) {
  return HeadLogits(model, HeadTransform(model, PlainHidden(model, sequence), Compute{}), Compute{});
}

template <typename T>
at::Tensor ToTensor(const std::vector<T>& values, at::IntArrayRef shape) {
  return at::tensor(std::vector<double>(values.begin(), values.end()), at::kFloat).view(shape);
}

class InferenceTest : public ::testing::Test {
 protected:
  InferenceTest() : model_(RandomModel(3)) { EXPECT_OK(SaveModel(model_, temporary_.path())); }

  std::vector<TargetRecord> Run(const shards::TargetSpec& spec, bool all_positions) {
    const auto teacher = TargetTeacher::Load(temporary_.path(), spec, all_positions, /*bf16=*/false);
    EXPECT_OK(teacher);
    return (*teacher)->Run({&kLong, &kShort});
  }

  testing::TempDirectory temporary_;
  ParameterSet model_;
};

TEST_F(InferenceTest, HiddenTargetsAreTheLastHiddenStateWithoutPadding) {
  const std::vector<TargetRecord> records = Run({.codec = TargetCodec::kHiddenF16}, /*all_positions=*/true);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[1].masked_hash, 2u);
  ASSERT_EQ(records[1].positions, 4u);
  EXPECT_TRUE(at::allclose(ToTensor(records[1].hidden, {4, 16}), PlainHidden(model_, kShort), 1e-4, 1e-5));
}

TEST_F(InferenceTest, TopKTargetsAreTheLargestLogitsOfTheMaskedPositions) {
  const std::vector<TargetRecord> records =
      Run({.codec = TargetCodec::kTopK, .width = 5, .temperature = 2}, /*all_positions=*/false);
  const at::Tensor logits = PlainLogits(model_, kLong).index_select(0, at::tensor(std::vector<std::int64_t>{2, 4}));
  const auto [values, ids] = at::topk(logits, 5);
  ASSERT_EQ(records[0].positions, 2u);
  EXPECT_TRUE(at::allclose(ToTensor(records[0].logits, {2, 5}), values, 1e-4, 1e-5));
  EXPECT_TRUE(at::equal(ToTensor(records[0].ids, {2, 5}), ids.to(at::kFloat)));
  EXPECT_TRUE(at::allclose(ToTensor(records[0].log_partition, {2}), at::logsumexp(logits / 2, -1), 1e-4, 1e-5));
}

TEST_F(InferenceTest, MoreLogitsThanTheVocabularyHasAreRefused) {
  EXPECT_THAT(TargetTeacher::Load(temporary_.path(), {.codec = TargetCodec::kTopK, .width = 41}, true, false),
              StatusIs(Code::kInvalidArgument, ::testing::HasSubstr("targets.top_k")));
}

TEST_F(InferenceTest, ScoresAreThoseOfThePlainDefinitions) {
  const ParameterSet student = RandomModel(4);
  const std::array<const ParameterSet*, 2> models = {&model_, &student};
  std::array<MaskFillingSums, 2> sums;
  AddMaskFilling(models, {&kLong}, 2.0, sums);
  AddMaskFilling(models, {&kShort}, 2.0, sums);

  MaskFillingSums expected;
  for (const MaskedSequence* sequence : {&kLong, &kShort}) {
    const at::Tensor teacher = PlainLogits(model_, *sequence).to(at::kDouble);
    const at::Tensor logits = PlainLogits(student, *sequence).to(at::kDouble);
    for (std::size_t i = 0; i < sequence->positions.size(); ++i) {
      const auto row = static_cast<std::int64_t>(sequence->positions[i]), label = std::int64_t{sequence->labels[i]};
      const auto kl = [&](double t) {
        const at::Tensor p = at::log_softmax(teacher[row] / t, 0), q = at::log_softmax(logits[row] / t, 0);
        return (p.exp() * (p - q)).sum().item<double>();
      };
      expected.loss -= at::log_softmax(logits[row], 0)[label].item<double>();
      expected.correct += logits[row].argmax().item<std::int64_t>() == label ? 1 : 0;
      expected.kl += kl(1);
      expected.kl_tempered += kl(2);
    }
  }
  EXPECT_NEAR(sums[1].loss, expected.loss, 1e-4);
  EXPECT_EQ(sums[1].correct, expected.correct);
  EXPECT_NEAR(sums[1].kl, expected.kl, 1e-4);
  EXPECT_NEAR(sums[1].kl_tempered, expected.kl_tempered, 1e-4);
  EXPECT_GT(sums[1].kl, 0.01);
  EXPECT_EQ(sums[0].kl, 0);
}

}  // namespace
}  // namespace still::worker
