// The model and its loss once more, written the plain way: one head at a time, one sequence at a time, logits of every
// row at once, autograd for every gradient. Slow, double precision, and sharing no code with worker/.
#pragma once

#include <ATen/ATen.h>

#include "worker/model/encoder.h"
#include "worker/model/parameters.h"
#include "worker/train/loss.h"

namespace still::worker::reference {

inline at::Tensor Linear(const ParameterSet& p, const std::string& name, const at::Tensor& x) {
  return at::matmul(x, p[name + ".weight"].t()) + p[name + ".bias"];
}

inline at::Tensor Norm(const ParameterSet& p, const std::string& name, const at::Tensor& x) {
  const at::Tensor centred = x - x.mean(-1, true);
  const at::Tensor variance = centred.pow(2).mean(-1, true);
  return centred / (variance + p.shape().layer_norm_epsilon).sqrt() * p[name + ".weight"] + p[name + ".bias"];
}

inline at::Tensor Gelu(const at::Tensor& x) { return x * 0.5 * (1 + at::erf(x / std::sqrt(2.0))); }

// One unpadded sequence: tokens [L] -> [L, H].
inline at::Tensor Encode(const ParameterSet& p, const at::Tensor& tokens) {
  const std::int64_t length = tokens.size(0), width = p.shape().hidden / p.shape().heads;
  at::Tensor x = p["embeddings.word"].index_select(0, tokens) + p["embeddings.position"].slice(0, 0, length);
  x = Norm(p, "embeddings.norm", x);
  for (std::int64_t i = 0; i < p.shape().layers; ++i) {
    const std::string layer = "layer." + std::to_string(i);
    const at::Tensor qkv = Linear(p, layer + ".attention.qkv", x);
    std::vector<at::Tensor> heads;
    for (std::int64_t h = 0; h < p.shape().heads; ++h) {
      const auto part = [&](std::int64_t which) { return qkv.narrow(1, which * p.shape().hidden + h * width, width); };
      const at::Tensor scores = at::matmul(part(0), part(1).t()) / std::sqrt(static_cast<double>(width));
      const at::Tensor weights = at::exp(scores - scores.amax(1, true).detach());
      heads.push_back(at::matmul(weights / weights.sum(1, true), part(2)));
    }
    x = Norm(p, layer + ".attention.norm", x + Linear(p, layer + ".attention.out", at::cat(heads, 1)));
    x = Norm(p, layer + ".ffn.norm", x + Linear(p, layer + ".ffn.out", Gelu(Linear(p, layer + ".ffn.in", x))));
  }
  return x;
}

// [B, S, H], zero past each length.
inline at::Tensor EncodeBatch(const ParameterSet& p, const TokenBatch& batch) {
  std::vector<at::Tensor> rows;
  for (std::int64_t b = 0; b < batch.tokens.size(0); ++b) {
    const std::int64_t length = batch.lengths[b].item<std::int64_t>();
    const at::Tensor x = Encode(p, batch.tokens[b].slice(0, 0, length));
    rows.push_back(at::constant_pad_nd(x, {0, 0, 0, batch.tokens.size(1) - length}));
  }
  return at::stack(rows);
}

inline at::Tensor Logits(const ParameterSet& p, const at::Tensor& hidden) {
  const at::Tensor t = Norm(p, "head.norm", Gelu(Linear(p, "head.transform", hidden)));
  return at::matmul(t, p["embeddings.word"].t()) + p["head.decoder.bias"];
}

// Mean over the step of each term, weighted: what AccumulateGradients must be the gradient of.
inline at::Tensor Loss(const ParameterSet& student, const ParameterSet* teacher, const at::Tensor& hidden,
                       const LossRows& rows, const BatchTargets& targets, const StepPositions& step,
                       const LossWeights& w) {
  const at::Tensor states = hidden.flatten(0, 1);
  at::Tensor loss = at::zeros({}, at::kDouble);
  if (targets.hidden.defined() || targets.ids.defined()) {
    const at::Tensor h = states.index_select(0, rows.target_rows);
    const auto n = static_cast<double>(step.targets);
    const at::Tensor log_q = at::log_softmax(Logits(student, h) / w.temperature, -1);
    at::Tensor kl;
    if (targets.ids.defined()) {
      const at::Tensor log_p =
          targets.logits.to(at::kDouble) / w.temperature - targets.log_partition.to(at::kDouble).unsqueeze(1);
      const at::Tensor kept = log_q.gather(1, targets.ids);
      const at::Tensor rest = 1 - log_p.exp().sum(1), student_rest = 1 - kept.exp().sum(1);
      kl = (log_p.exp() * (log_p - kept)).sum() + (rest * (rest.log() - student_rest.log())).sum();
    } else {
      const at::Tensor log_p =
          at::log_softmax(Logits(*teacher, targets.hidden.to(at::kDouble)).detach() / w.temperature, -1);
      kl = (log_p.exp() * (log_p - log_q)).sum();
    }
    loss = loss + w.alpha_ce * w.temperature * w.temperature / n * kl;
    if (targets.hidden.defined()) {
      loss = loss + w.alpha_cos / n * (1 - at::cosine_similarity(h, targets.hidden.to(at::kDouble), 1)).sum();
    }
  }
  const at::Tensor logits = Logits(student, states.index_select(0, rows.masked_rows));
  const at::Tensor log_likelihood = at::log_softmax(logits, -1).gather(1, rows.labels.unsqueeze(1));
  return loss - w.alpha_mlm / static_cast<double>(step.masked) * log_likelihood.sum();
}

}  // namespace still::worker::reference
