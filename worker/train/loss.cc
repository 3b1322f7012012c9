#include "worker/train/loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include "worker/device/host_copies.h"
#include "worker/device/kernels.h"

namespace still::worker {
namespace {

// Rows of the vocabulary's logits at a time: enough for the products to run at full speed and the decoder's gradient to
// be re-read seldom, few enough that the logits (31 MB in bf16 at BERT's vocabulary) stay a small part of memory.
constexpr std::int64_t kChunkRows = 512;

// Adds weight * d/dh sum(1 - cos(h, t)) to d_states[rows], and the sum to `sum`.
void AddCosineGradient(const at::Tensor& states, const at::Tensor& rows, const at::Tensor& targets, double weight,
                       const at::Tensor& d_states, const at::Tensor& sum) {
  constexpr double kTinyNorm = 1e-12;
  const at::Tensor h = states.index_select(0, rows);
  const at::Tensor t = targets.to(h.scalar_type());
  const at::Tensor inverse_h = h.norm(2, 1, true).clamp_min_(kTinyNorm).reciprocal_();
  const at::Tensor inverse_t = t.norm(2, 1, true).clamp_min_(kTinyNorm).reciprocal_();
  const at::Tensor unit_h = h * inverse_h, unit_t = t * inverse_t;
  const at::Tensor cosine = (unit_h * unit_t).sum(1, true);
  d_states.index_add_(0, rows, (unit_h * cosine - unit_t) * (inverse_h * weight));
  sum.add_((1 - cosine.to(at::kDouble)).sum());
}

// The head over the rows of one microbatch: product with the decoder, softmax rows, and the gradients of the decoder
// and of the transformed rows.
class VocabularyHead {
 public:
  VocabularyHead(const ParameterSet& student, const ParameterSet* teacher, const BatchTargets& targets,
                 const RowWeights& weights, const Compute& compute)
      : student_(student),
        teacher_(teacher),
        targets_(targets),
        weights_(weights),
        compute_(compute),
        kernels_(KernelsOf(student.weights().device())),
        decoder_(student["embeddings.word"].detach().to(compute.matmul)) {}

  // Returns d loss / d transformed; `sums` gains this microbatch's terms.
  at::Tensor Run(const at::Tensor& transformed, const at::Tensor& labels, const at::Tensor& sums) {
    const std::int64_t rows = transformed.size(0);
    const std::int64_t chunks = (rows + kChunkRows - 1) / kChunkRows;
    const at::Tensor gradient = at::empty_like(transformed);
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
      const std::int64_t begin = rows * chunk / chunks, count = rows * (chunk + 1) / chunks - begin;
      const at::Tensor input = transformed.narrow(0, begin, count).to(compute_.matmul);
      const at::Tensor logits = at::mm(input, decoder_.t());
      kernels_.VocabularyRows(logits, student_["head.decoder.bias"].detach(), TeacherOf(begin, count),
                              labels.narrow(0, begin, count), weights_, sums);
      gradient.narrow(0, begin, count).copy_(at::mm(logits, decoder_));
      AddDecoderGradient(logits, input);
      kernels_.AddColumnSums(logits, student_["head.decoder.bias"].grad());
    }
    return gradient;
  }

 private:
  TeacherRows TeacherOf(std::int64_t begin, std::int64_t count) const {
    if (weights_.kl == 0) return {};
    if (!targets_.hidden.defined())
      return {.ids = targets_.ids.narrow(0, begin, count),
              .logits = targets_.logits.narrow(0, begin, count),
              .log_partition = targets_.log_partition.narrow(0, begin, count)};
    const at::Tensor hidden = targets_.hidden.narrow(0, begin, count).to(teacher_->weights().scalar_type());
    return {.dense = at::mm(HeadTransform(*teacher_, hidden, compute_).to(compute_.matmul),
                            teacher_->As("embeddings.word", compute_.matmul).t()),
            .bias = (*teacher_)["head.decoder.bias"]};
  }

  void AddDecoderGradient(const at::Tensor& d_logits, const at::Tensor& input) {
    at::Tensor gradient = student_["embeddings.word"].grad();
    if (d_logits.scalar_type() == at::kBFloat16) {
      kernels_.AddBfloat16(at::mm(d_logits.t(), input), gradient);
    } else {
      at::addmm_out(gradient, gradient, d_logits.t(), input);
    }
  }

  const ParameterSet& student_;
  const ParameterSet* teacher_;
  const BatchTargets& targets_;
  RowWeights weights_;
  Compute compute_;
  const DeviceKernels& kernels_;
  at::Tensor decoder_;
};

// Adds the gradients of KL and CE: those of the head to its parameters, and those of the states to d_states.
void AddVocabularyGradient(const ParameterSet& student, const ParameterSet* teacher, const at::Tensor& states,
                           const LossRows& rows, const BatchTargets& targets, const RowWeights& weights,
                           const Compute& compute, const at::Tensor& d_states, const at::Tensor& sums) {
  const at::Tensor& used = weights.kl != 0 ? rows.target_rows : rows.masked_rows;
  if (used.numel() == 0) return;
  const at::Tensor& labels = weights.kl != 0 ? rows.target_labels : rows.labels;
  const at::Tensor inputs = states.index_select(0, used).set_requires_grad(true);
  at::Tensor transformed;
  {
    const at::AutoGradMode record(true);
    transformed = HeadTransform(student, inputs, compute);
  }
  const at::Tensor gradient = VocabularyHead(student, teacher, targets, weights, compute)
                                  .Run(transformed.detach(), weights.mlm != 0 ? labels : at::full_like(used, -1), sums);
  torch::autograd::backward({transformed}, {gradient});
  d_states.index_add_(0, used, inputs.grad());
}

void CheckTargets(const ParameterSet& student, const ParameterSet* teacher, const LossRows& rows,
                  const BatchTargets& targets, const LossWeights& weights, const Compute& compute) {
  STILL_CHECK(rows.labels.numel() == rows.masked_rows.numel(), "each masked row needs a label");
  STILL_CHECK(
      (weights.alpha_mlm == 0 || weights.alpha_ce == 0 || rows.target_labels.numel() == rows.target_rows.numel()),
      "each target row needs a label, or -1");
  STILL_CHECK((student.weights().scalar_type() == at::kDouble) == (compute.matmul == at::kDouble),
              "double goes with double");
  if (weights.alpha_cos != 0 || (weights.alpha_ce != 0 && !targets.ids.defined())) {
    STILL_CHECK(targets.hidden.defined() && targets.hidden.size(0) == rows.target_rows.numel(),
                "this loss needs the teacher's hidden state of every target row");
  }
  if (weights.alpha_ce != 0 && targets.hidden.defined()) {
    STILL_CHECK(teacher != nullptr && teacher->shape().vocabulary == student.shape().vocabulary,
                "hidden targets need the teacher's head, over the student's vocabulary");
  }
}

}  // namespace

void AccumulateGradients(const ParameterSet& student, const ParameterSet* teacher, const at::Tensor& hidden,
                         const LossRows& rows, const BatchTargets& targets, const StepPositions& step,
                         const LossWeights& weights, const Compute& compute, const at::Tensor& sums) {
  const at::NoGradGuard no_grad;
  LossWeights active = weights;  // without targets there is nothing to distil from
  if (!targets.hidden.defined() && !targets.ids.defined()) active.alpha_ce = active.alpha_cos = 0;
  CheckTargets(student, teacher, rows, targets, active, compute);
  const auto share = [](double weight, std::int64_t positions) {
    return positions > 0 ? weight / static_cast<double>(positions) : 0;
  };
  const RowWeights row_weights{
      .kl = share(active.alpha_ce * active.temperature * active.temperature, step.targets),
      .mlm = share(active.alpha_mlm, step.masked),
      .temperature = active.temperature,
  };
  const double cosine_weight = share(active.alpha_cos, step.targets);

  const at::Tensor states = hidden.detach().flatten(0, 1);
  const at::Tensor d_states = at::zeros_like(states);
  if (cosine_weight != 0)
    AddCosineGradient(states, rows.target_rows, targets.hidden, cosine_weight, d_states, sums[kCosineTerm]);
  AddVocabularyGradient(student, teacher, states, rows, targets, row_weights, compute, d_states, sums);
  torch::autograd::backward({hidden}, {d_states.view(hidden.sizes())});
}

LossSums LossSumsOf(const at::Tensor& sums) {
  const std::span<const double> term = HostSpan<double>(sums);
  return {.kl = term[kKlTerm], .mlm = term[kMlmTerm], .cosine = term[kCosineTerm], .correct = term[kCorrectTerm]};
}

double StepLoss(const LossSums& sums, const StepPositions& step, const LossWeights& weights) {
  const auto mean = [](double sum, std::int64_t positions) {
    return positions > 0 ? sum / static_cast<double>(positions) : 0;
  };
  return weights.alpha_ce * weights.temperature * weights.temperature * mean(sums.kl, step.targets) +
         weights.alpha_mlm * mean(sums.mlm, step.masked) + weights.alpha_cos * mean(sums.cosine, step.targets);
}

}  // namespace still::worker
