// A small model with random weights, and a batch with padding, for the numeric tests.
#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "worker/device/kernels.h"
#include "worker/model/parameters.h"
#include "worker/train/loss.h"

namespace still::worker::testing {

inline at::Generator Seeded(std::uint64_t seed) { return at::detail::createCPUGenerator(seed); }

inline ModelShape SmallShape(std::int64_t layers) {
  return {.layers = layers, .hidden = 16, .heads = 4, .intermediate = 24, .vocabulary = 53, .positions = 12};
}

inline ParameterSet RandomModel(const ModelShape& shape, bool trainable, std::uint64_t seed,
                                at::ScalarType dtype = at::kDouble) {
  ParameterSet parameters(shape, trainable, dtype);
  const at::Tensor values = at::randn(parameters.weights().sizes(), Seeded(seed), at::kDouble) * 0.3;
  for (const ParameterInfo& info : parameters.layout()) {
    at::Tensor view = parameters[info.name].detach();
    view.copy_(values.narrow(0, info.offset, info.size).view(info.shape));
    if (info.name.ends_with("norm.weight")) view.add_(1);
  }
  return parameters;
}

struct Batch {
  TokenBatch tokens;
  LossRows rows;
  BatchTargets targets;
  StepPositions step;
};

// Returns sums to which no microbatch was added.
inline at::Tensor NoSums(at::Device device = at::kCPU) {
  return at::zeros({kLossTerms}, at::TensorOptions(at::kDouble).device(device));
}

// Returns `rows` with target_labels set from the other three.
inline LossRows WithTargetLabels(LossRows rows) {
  if (!rows.target_rows.defined()) return rows;
  const at::Tensor at_masked = rows.target_rows.unsqueeze(1).eq(rows.masked_rows.unsqueeze(0));
  rows.target_labels = at::where(at_masked, rows.labels.unsqueeze(0), -1).amax(1).contiguous();
  return rows;
}

// Three sequences of 9, 4 and 7 of 9 positions; every attended position is a target, each third one is masked.
inline Batch RandomBatch(const ModelShape& shape, std::uint64_t seed) {
  at::Generator generator = Seeded(seed);
  Batch batch;
  const std::vector<std::int64_t> lengths = {9, 4, 7};
  batch.tokens.tokens = at::randint(shape.vocabulary, {3, 9}, generator, at::kLong);
  batch.tokens.lengths = at::tensor(lengths, at::kLong);
  std::vector<std::int64_t> targets, masked;
  for (std::size_t b = 0; b < lengths.size(); ++b) {
    for (std::int64_t s = 0; s < lengths[b]; ++s) {
      targets.push_back(static_cast<std::int64_t>(b) * 9 + s);
      if (s % 3 == 1) masked.push_back(targets.back());
    }
  }
  batch.rows.target_rows = at::tensor(targets, at::kLong);
  batch.rows.masked_rows = at::tensor(masked, at::kLong);
  batch.rows.labels = at::randint(shape.vocabulary, {static_cast<std::int64_t>(masked.size())}, generator, at::kLong);
  batch.rows = WithTargetLabels(batch.rows);
  batch.targets.hidden = at::randn({static_cast<std::int64_t>(targets.size()), shape.hidden}, generator, at::kFloat);
  // The step has more positions than this microbatch.
  batch.step = {.targets = static_cast<std::int64_t>(targets.size()) + 11,
                .masked = static_cast<std::int64_t>(masked.size()) + 5};
  return batch;
}

}  // namespace still::worker::testing
