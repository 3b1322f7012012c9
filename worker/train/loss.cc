#include "worker/train/loss.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include <vector>

#include "worker/train/vocabulary_rows.h"

namespace still::worker {
namespace {

// Rows of the vocabulary's logits at a time: enough for the products to run at full speed and the decoder's gradient to
// be re-read seldom, few enough that the logits (31 MB in bf16 at BERT's vocabulary) stay a small part of memory.
constexpr std::int64_t kChunkRows = 512;

template <typename T>
std::span<T> Values(const at::Tensor& tensor) {
  STILL_CHECK(tensor.is_contiguous(), "a span needs contiguous memory");
  return {static_cast<T*>(tensor.mutable_data_ptr()), static_cast<std::size_t>(tensor.numel())};
}

// Adds weight * d/dh sum(1 - cos(h, t)) to d_states[rows] and returns the sum.
double AddCosineGradient(const at::Tensor& states, const at::Tensor& rows, const at::Tensor& targets, double weight,
                         const at::Tensor& d_states) {
  constexpr double kTinyNorm = 1e-12;
  const at::Tensor h = states.index_select(0, rows);
  const at::Tensor t = targets.to(h.scalar_type());
  const at::Tensor inverse_h = h.norm(2, 1, true).clamp_min_(kTinyNorm).reciprocal_();
  const at::Tensor inverse_t = t.norm(2, 1, true).clamp_min_(kTinyNorm).reciprocal_();
  const at::Tensor unit_h = h * inverse_h, unit_t = t * inverse_t;
  const at::Tensor cosine = (unit_h * unit_t).sum(1, true);
  d_states.index_add_(0, rows, (unit_h * cosine - unit_t) * (inverse_h * weight));
  return (1 - cosine.to(at::kDouble)).sum().item<double>();
}

// Returns for each row i the label at rows[i], or -1.
std::vector<std::int64_t> AlignLabels(const at::Tensor& rows, const LossRows& masked) {
  const auto row = Values<std::int64_t>(rows), at = Values<std::int64_t>(masked.masked_rows),
             label = Values<std::int64_t>(masked.labels);
  STILL_CHECK(at.size() == label.size(), "each masked row needs a label");
  std::vector<std::int64_t> label_of(row.size(), -1);
  std::size_t found = 0;
  for (std::size_t i = 0; i < row.size() && found < at.size(); ++i) {
    if (row[i] == at[found]) label_of[i] = label[found++];
  }
  STILL_CHECK(found == at.size(), "masked rows must ascend and be among the target rows");
  return label_of;
}

// The head over the rows of one microbatch: product with the decoder, softmax rows, and the gradients of the decoder
// and of the transformed rows. E: element type of the logits, as matrix products have it.
template <typename E>
class VocabularyHead {
 public:
  VocabularyHead(const ParameterSet& student, const ParameterSet* teacher, const BatchTargets& targets,
                 const RowWeights& weights, const Compute& compute)
      : student_(student),
        teacher_(teacher),
        targets_(targets),
        weights_(weights),
        compute_(compute),
        decoder_(student["embeddings.word"].detach().to(compute.matmul)) {}

  // Returns d loss / d transformed; `sums` gains this microbatch's terms.
  at::Tensor Run(const at::Tensor& transformed, const std::vector<std::int64_t>& labels, LossSums& sums) {
    const std::int64_t rows = transformed.size(0), n = decoder_.size(0);
    const std::int64_t chunks = (rows + kChunkRows - 1) / kChunkRows;
    const at::Tensor gradient = at::empty_like(transformed);
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
      const std::int64_t begin = rows * chunk / chunks, count = rows * (chunk + 1) / chunks - begin;
      const at::Tensor input = transformed.narrow(0, begin, count).to(compute_.matmul);
      const at::Tensor logits = at::mm(input, decoder_.t());
      const std::vector<RowSums> row_sums = RunRows(logits, begin, labels);
      gradient.narrow(0, begin, count).copy_(at::mm(logits, decoder_));
      AddDecoderGradient(logits, input);
      auto bias = Values<A>(student_["head.decoder.bias"].grad());
      at::parallel_for(0, n, 4096, [&](std::int64_t from, std::int64_t to) {
        AddColumnSums(Elements(logits), count, n, from, to, bias.data());
      });
      for (const RowSums& row : row_sums) {
        sums.kl += row.kl;
        sums.mlm += row.mlm;
        sums.correct += row.correct ? 1 : 0;
      }
    }
    return gradient;
  }

 private:
  using A = Arithmetic<E>;

  static E* Elements(const at::Tensor& tensor) { return static_cast<E*>(tensor.mutable_data_ptr()); }

  // Turns the logits of rows [begin, begin + count) into their gradient.
  std::vector<RowSums> RunRows(const at::Tensor& logits, std::int64_t begin, const std::vector<std::int64_t>& labels) {
    const std::int64_t count = logits.size(0), n = logits.size(1);
    at::Tensor teacher_logits;
    if (weights_.kl != 0 && targets_.hidden.defined()) {
      const at::Tensor hidden = targets_.hidden.narrow(0, begin, count).to(teacher_->weights().scalar_type());
      teacher_logits = at::mm(HeadTransform(*teacher_, hidden, compute_).to(compute_.matmul),
                              teacher_->As("embeddings.word", compute_.matmul).t());
    }
    const A* bias = Values<A>(student_["head.decoder.bias"]).data();
    std::vector<RowSums> sums(static_cast<std::size_t>(count));
    at::parallel_for(0, count, 8, [&](std::int64_t from, std::int64_t to) {
      RowScratch<A> scratch;
      for (std::int64_t i = from; i < to; ++i) {
        E* row = Elements(logits) + i * n;
        const std::int64_t label = labels[static_cast<std::size_t>(begin + i)];
        RowSums& out = sums[static_cast<std::size_t>(i)];
        if (weights_.kl != 0 && !teacher_logits.defined()) {
          out = SparseRow(row, bias, n, KeptLogits(begin + i), label, weights_, scratch);
        } else {
          DenseTeacher<E> dense;
          if (teacher_logits.defined()) {
            dense = {Elements(teacher_logits) + i * n, Values<A>((*teacher_)["head.decoder.bias"]).data()};
          }
          out = DenseRow(row, bias, n, dense, label, weights_, scratch);
        }
      }
    });
    return sums;
  }

  SparseTeacher KeptLogits(std::int64_t row) const {
    const auto kept = static_cast<std::size_t>(targets_.ids.size(1)), first = static_cast<std::size_t>(row) * kept;
    return {Values<std::int64_t>(targets_.ids).subspan(first, kept),
            Values<float>(targets_.logits).subspan(first, kept),
            Values<float>(targets_.log_partition)[static_cast<std::size_t>(row)]};
  }

  void AddDecoderGradient(const at::Tensor& d_logits, const at::Tensor& input) {
    at::Tensor gradient = student_["embeddings.word"].grad();
    if constexpr (std::is_same_v<E, Bf16>) {
      const at::Tensor product = at::mm(d_logits.t(), input);
      const auto out = Values<float>(gradient);
      at::parallel_for(0, gradient.numel(), 1 << 16, [&](std::int64_t from, std::int64_t to) {
        AddBf16(Elements(product) + from, to - from, out.data() + from);
      });
    } else {
      at::addmm_out(gradient, gradient, d_logits.t(), input);
    }
  }

  const ParameterSet& student_;
  const ParameterSet* teacher_;
  const BatchTargets& targets_;
  RowWeights weights_;
  Compute compute_;
  at::Tensor decoder_;
};

// Adds the gradients of KL and CE: those of the head to its parameters, and those of the states to d_states.
void AddVocabularyGradient(const ParameterSet& student, const ParameterSet* teacher, const at::Tensor& states,
                           const LossRows& rows, const BatchTargets& targets, const RowWeights& weights,
                           const Compute& compute, const at::Tensor& d_states, LossSums& sums) {
  const at::Tensor& used = weights.kl != 0 ? rows.target_rows : rows.masked_rows;
  if (used.numel() == 0) return;
  const std::vector<std::int64_t> labels = weights.mlm != 0
                                               ? AlignLabels(used, rows)
                                               : std::vector<std::int64_t>(static_cast<std::size_t>(used.numel()), -1);
  const at::Tensor inputs = states.index_select(0, used).set_requires_grad(true);
  at::Tensor transformed;
  {
    const at::AutoGradMode record(true);
    transformed = HeadTransform(student, inputs, compute);
  }
  const auto run = [&]<typename E>(E) {
    return VocabularyHead<E>(student, teacher, targets, weights, compute).Run(transformed.detach(), labels, sums);
  };
  at::Tensor gradient;
  switch (compute.matmul) {
    case at::kBFloat16: gradient = run(Bf16{}); break;
    case at::kFloat: gradient = run(float{}); break;
    case at::kDouble: gradient = run(double{}); break;
    default: STILL_CHECK(false, "matrix products are in float, bfloat16 or double");
  }
  torch::autograd::backward({transformed}, {gradient});
  d_states.index_add_(0, used, inputs.grad());
}

void CheckTargets(const ParameterSet& student, const ParameterSet* teacher, const LossRows& rows,
                  const BatchTargets& targets, const LossWeights& weights, const Compute& compute) {
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

LossSums AccumulateGradients(const ParameterSet& student, const ParameterSet* teacher, const at::Tensor& hidden,
                             const LossRows& rows, const BatchTargets& targets, const StepPositions& step,
                             const LossWeights& weights, const Compute& compute) {
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
  LossSums sums;
  if (cosine_weight != 0) {
    sums.cosine = AddCosineGradient(states, rows.target_rows, targets.hidden, cosine_weight, d_states);
  }
  AddVocabularyGradient(student, teacher, states, rows, targets, row_weights, compute, d_states, sums);
  torch::autograd::backward({hidden}, {d_states.view(hidden.sizes())});
  return sums;
}

double StepLoss(const LossSums& sums, const StepPositions& step, const LossWeights& weights) {
  const auto mean = [](double sum, std::int64_t positions) {
    return positions > 0 ? sum / static_cast<double>(positions) : 0;
  };
  return weights.alpha_ce * weights.temperature * weights.temperature * mean(sums.kl, step.targets) +
         weights.alpha_mlm * mean(sums.mlm, step.masked) + weights.alpha_cos * mean(sums.cosine, step.targets);
}

}  // namespace still::worker
