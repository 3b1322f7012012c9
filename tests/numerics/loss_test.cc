#include "worker/train/loss.h"

#include <gtest/gtest.h>

#include "tests/numerics/reference_model.h"
#include "tests/numerics/small_model.h"

namespace still::worker {
namespace {

using testing::Batch;
using testing::NoSums;
using testing::RandomBatch;
using testing::RandomModel;
using testing::Seeded;
using testing::SmallShape;
using testing::WithTargetLabels;

constexpr Compute kExact{at::kDouble};
constexpr LossWeights kRecipe{};

// The K largest of the teacher's logits, as the target cache holds them.
BatchTargets TopK(const ParameterSet& teacher, const at::Tensor& hidden, std::int64_t k, double temperature) {
  const at::Tensor logits = reference::Logits(teacher, hidden.to(at::kDouble));
  const auto [values, ids] = logits.topk(k, 1);
  return {.ids = ids.contiguous(),
          .logits = values.to(at::kFloat).contiguous(),
          .log_partition = at::logsumexp(logits / temperature, 1).to(at::kFloat)};
}

class LossTest : public ::testing::Test {
 protected:
  LossSums Accumulate(const Batch& batch, const LossWeights& weights) {
    const at::Tensor sums = NoSums();
    AccumulateGradients(student_, &teacher_, EncoderForward(student_, batch.tokens, {}, kExact),
                        WithTargetLabels(batch.rows), batch.targets, batch.step, weights, kExact, sums);
    return LossSumsOf(sums);
  }
  at::Tensor Gradient(const Batch& batch, const LossWeights& weights) {
    student_.ZeroGradients();
    Accumulate(batch, weights);
    return student_.gradients().clone();
  }
  at::Tensor PlainLoss(const Batch& batch, const LossWeights& weights) {
    return reference::Loss(student_, &teacher_, reference::EncodeBatch(student_, batch.tokens), batch.rows,
                           batch.targets, batch.step, weights);
  }
  void ExpectEqualsAutograd(const Batch& batch, const LossWeights& weights) {
    student_.ZeroGradients();
    const LossSums sums = Accumulate(batch, weights);
    const at::Tensor ours = student_.gradients().clone();
    student_.ZeroGradients();
    const at::Tensor loss = PlainLoss(batch, weights);
    loss.backward();
    const at::Tensor difference = (ours - student_.gradients()).abs();
    EXPECT_GT(ours.abs().max().item<double>(), 1e-3);
    EXPECT_LT(difference.max().item<double>(), 1e-11);
    EXPECT_NEAR(StepLoss(sums, batch.step, weights), loss.item<double>(), 1e-11);
  }

  ParameterSet student_ = RandomModel(SmallShape(2), true, 11);
  ParameterSet teacher_ = RandomModel(SmallShape(3), false, 12);
  Batch batch_ = RandomBatch(SmallShape(2), 13);
};

TEST_F(LossTest, EachTermAndTheirSumEqualAutograd) {
  const LossWeights kEach[] = {{5, 0, 0, 2}, {0, 2, 0, 2}, {0, 0, 1, 2}, {5, 2, 1, 2}, {5, 2, 1, 1}, {1, 1, 0, 3.5}};
  for (const LossWeights& weights : kEach) {
    SCOPED_TRACE(::testing::Message() << weights.alpha_ce << ' ' << weights.alpha_mlm << ' ' << weights.alpha_cos);
    ExpectEqualsAutograd(batch_, weights);
  }
}

TEST_F(LossTest, TargetsAtMaskedPositionsEqualAutograd) {
  batch_.rows.target_rows = batch_.rows.masked_rows;
  batch_.targets.hidden = batch_.targets.hidden.slice(0, 0, batch_.rows.masked_rows.size(0)).contiguous();
  ExpectEqualsAutograd(batch_, kRecipe);
}

TEST_F(LossTest, MaskedLanguageModellingNeedsNoTargets) {
  batch_.targets = {};
  batch_.rows.target_rows = at::Tensor();
  ExpectEqualsAutograd(batch_, {.alpha_ce = 5, .alpha_mlm = 2, .alpha_cos = 1});
}

TEST_F(LossTest, SparseTargetsEqualAutograd) {
  batch_.targets = TopK(teacher_, batch_.targets.hidden, 6, 2);
  ExpectEqualsAutograd(batch_, {.alpha_ce = 5, .alpha_mlm = 2, .alpha_cos = 0});
  ExpectEqualsAutograd(batch_, {.alpha_ce = 5, .alpha_mlm = 0, .alpha_cos = 0});
}

TEST_F(LossTest, SparseTargetsOfTheWholeVocabularyAreTheFullKl) {
  const LossWeights weights{.alpha_ce = 5, .alpha_mlm = 2, .alpha_cos = 0};
  const at::Tensor full = Gradient(batch_, weights);
  batch_.targets = TopK(teacher_, batch_.targets.hidden, SmallShape(2).vocabulary, 2);
  // The cache's logits are fp32.
  EXPECT_LT((Gradient(batch_, weights) - full).abs().max().item<double>(), 1e-6);
}

TEST_F(LossTest, EqualsFiniteDifferences) {
  const at::Tensor gradient = Gradient(batch_, kRecipe);
  constexpr double kStep = 1e-5;
  for (const ParameterInfo& info : student_.layout()) {
    SCOPED_TRACE(info.name);
    at::Tensor weight = student_.weights()[info.offset + info.size / 2];
    const auto loss_at = [&](double shift) {
      weight.add_(shift);
      const double loss = PlainLoss(batch_, kRecipe).item<double>();
      weight.sub_(shift);
      return loss;
    };
    const double slope = (loss_at(kStep) - loss_at(-kStep)) / (2 * kStep);
    EXPECT_NEAR(gradient[info.offset + info.size / 2].item<double>(), slope, 1e-7);
  }
}

TEST_F(LossTest, MicrobatchGradientsSumToTheBatchs) {
  const at::Tensor whole = Gradient(batch_, kRecipe);
  student_.ZeroGradients();
  LossSums sums;
  const std::int64_t length = batch_.tokens.tokens.size(1);
  for (std::int64_t b = 0; b < 3; ++b) {
    const auto of_sequence = [&](const at::Tensor& rows) { return (rows.div(length, "floor")).eq(b); };
    const at::Tensor target = of_sequence(batch_.rows.target_rows), masked = of_sequence(batch_.rows.masked_rows);
    Batch part{.tokens = {batch_.tokens.tokens.slice(0, b, b + 1), batch_.tokens.lengths.slice(0, b, b + 1)},
               .step = batch_.step};
    part.rows = {.target_rows = batch_.rows.target_rows.masked_select(target) - b * length,
                 .masked_rows = batch_.rows.masked_rows.masked_select(masked) - b * length,
                 .labels = batch_.rows.labels.masked_select(masked)};
    part.targets.hidden = batch_.targets.hidden.index_select(0, target.nonzero().flatten());
    const LossSums one = Accumulate(part, kRecipe);
    sums.kl += one.kl, sums.mlm += one.mlm, sums.cosine += one.cosine;
  }
  EXPECT_LT((student_.gradients() - whole).abs().max().item<double>(), 1e-12);
  EXPECT_NEAR(StepLoss(sums, batch_.step, kRecipe), PlainLoss(batch_, kRecipe).item<double>(), 1e-11);
}

TEST_F(LossTest, ATermOfWeightZeroIsAsIfItWereNotThere) {
  const LossWeights mlm_only{.alpha_ce = 0, .alpha_mlm = 2, .alpha_cos = 0};
  const at::Tensor with_targets = Gradient(batch_, mlm_only);
  const LossSums sums = Accumulate(batch_, mlm_only);
  EXPECT_EQ(sums.kl, 0);
  EXPECT_EQ(sums.cosine, 0);
  EXPECT_FALSE(with_targets.equal(Gradient(batch_, kRecipe)));  // and the terms do something
  batch_.targets = {};
  EXPECT_TRUE(with_targets.equal(Gradient(batch_, mlm_only)));
}

TEST_F(LossTest, CountsCorrectPredictions) {
  const at::Tensor states = EncoderForward(student_, batch_.tokens, {}, kExact).detach().flatten(0, 1);
  batch_.rows.labels =
      reference::Logits(student_, states.index_select(0, batch_.rows.masked_rows)).detach().argmax(1).contiguous();
  const auto masked = static_cast<double>(batch_.rows.labels.numel());
  EXPECT_EQ(Accumulate(batch_, kRecipe).correct, masked);
  batch_.rows.labels[0] = (batch_.rows.labels[0].item<std::int64_t>() + 1) % 53;
  EXPECT_EQ(Accumulate(batch_, kRecipe).correct, masked - 1);
}

TEST_F(LossTest, AWeightThatIsNotANumberShowsInTheSums) {
  student_.weights()[0] = std::nan("");
  batch_.tokens.tokens.fill_(0);
  EXPECT_TRUE(std::isnan(Accumulate(batch_, kRecipe).kl));
}

// 720 rows are two chunks of the vocabulary head, their halves one each.
TEST_F(LossTest, RowChunksSumToTheWhole) {
  const at::Tensor states = at::randn({60, 12, 16}, Seeded(31), at::kDouble);
  const at::Tensor teacher_states = at::randn({720, 16}, Seeded(32), at::kFloat);
  const at::Tensor labels = at::randint(53, {240}, Seeded(33), at::kLong);
  const BatchTargets kinds[] = {{.hidden = teacher_states}, TopK(teacher_, teacher_states, 6, 2)};
  for (const BatchTargets& targets : kinds) {
    const LossWeights weights{5, 2, targets.hidden.defined() ? 1.0 : 0.0, 2};
    const auto run = [&](std::int64_t begin, std::int64_t end, LossSums* sums) {  // rows; every third is masked
      const at::Tensor hidden = states.slice(0, begin / 12, end / 12).clone().set_requires_grad(true);
      const auto part = [&](const at::Tensor& of) { return of.defined() ? of.slice(0, begin, end).contiguous() : of; };
      const LossRows rows = WithTargetLabels({.target_rows = at::arange(end - begin),
                                              .masked_rows = at::arange(0, end - begin, 3),
                                              .labels = labels.slice(0, begin / 3, end / 3).contiguous()});
      const BatchTargets own{part(targets.hidden), part(targets.ids), part(targets.logits),
                             part(targets.log_partition)};
      const at::Tensor of_part = NoSums();
      AccumulateGradients(student_, &teacher_, hidden, rows, own, {720, 240}, weights, kExact, of_part);
      const LossSums one = LossSumsOf(of_part);
      sums->kl += one.kl, sums->mlm += one.mlm, sums->cosine += one.cosine, sums->correct += one.correct;
      return hidden.grad();
    };
    LossSums whole, halves;
    student_.ZeroGradients();
    const at::Tensor d_whole = run(0, 720, &whole);
    const at::Tensor gradient = student_.gradients().clone();
    student_.ZeroGradients();
    const at::Tensor d_first = run(0, 360, &halves);
    const at::Tensor d_second = run(360, 720, &halves);
    EXPECT_LT((at::cat({d_first, d_second}) - d_whole).abs().max().item<double>(), 1e-12);
    EXPECT_LT((student_.gradients() - gradient).abs().max().item<double>(), 1e-11);
    EXPECT_NEAR(halves.kl, whole.kl, 1e-9);
    EXPECT_NEAR(halves.mlm, whole.mlm, 1e-9);
    EXPECT_EQ(halves.correct, whole.correct);
  }
}

// The vectorised fp32 and bf16 paths, over a vocabulary of many registers and a tail.
TEST(LossPrecisionTest, LowerPrecisionStaysNearDouble) {
  ModelShape shape = SmallShape(2);
  shape.vocabulary = 1003;
  const ParameterSet exact = RandomModel(shape, true, 21), exact_teacher = RandomModel(shape, false, 22);
  const ParameterSet single = RandomModel(shape, true, 21, at::kFloat),
                     single_teacher = RandomModel(shape, false, 22, at::kFloat);
  const Batch batch = RandomBatch(shape, 23);
  const auto gradient = [&](const ParameterSet& s, const ParameterSet& t, const Compute& compute) {
    s.gradients().zero_();
    AccumulateGradients(s, &t, EncoderForward(s, batch.tokens, {}, compute), batch.rows, batch.targets, batch.step,
                        kRecipe, compute, NoSums());
    return s.gradients().to(at::kDouble);
  };
  const at::Tensor want = gradient(exact, exact_teacher, kExact);
  const auto relative = [&](at::ScalarType matmul) {
    return ((gradient(single, single_teacher, {matmul}) - want).norm() / want.norm()).item<double>();
  };
  EXPECT_LT(relative(at::kFloat), 1e-5);
  EXPECT_LT(relative(at::kBFloat16), 0.03);
}

TEST(LossPrecisionTest, RepeatsBitForBit) {
  const ParameterSet student = RandomModel(SmallShape(2), true, 21, at::kFloat),
                     teacher = RandomModel(SmallShape(2), false, 22, at::kFloat);
  const Batch batch = RandomBatch(student.shape(), 23);
  const Dropout dropout{0.1, 0.1, 99};
  const Compute compute{at::kBFloat16};
  at::Tensor first;
  for (int run = 0; run < 3; ++run) {
    student.gradients().zero_();
    AccumulateGradients(student, &teacher, EncoderForward(student, batch.tokens, dropout, compute), batch.rows,
                        batch.targets, batch.step, kRecipe, compute, NoSums());
    if (run == 0) first = student.gradients().clone();
    EXPECT_TRUE(first.equal(student.gradients()));
  }
}

}  // namespace
}  // namespace still::worker
