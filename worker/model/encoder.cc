#include "worker/model/encoder.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cmath>

#include "worker/model/dropout_mask.h"

namespace still::worker {
namespace {

// The places where a dropout mask is applied; layer sites follow each other in threes.
enum Site : std::uint32_t { kEmbeddings = 0, kAttention = 1, kAttentionOut = 2, kFeedForwardOut = 3 };
std::uint32_t LayerSite(std::int64_t layer, Site site) { return static_cast<std::uint32_t>(3 * layer) + site; }

template <typename T>
void FillMask(const at::Tensor& mask, std::uint64_t key, std::uint32_t site, std::uint32_t threshold, T keep) {
  auto* out = static_cast<T*>(mask.mutable_data_ptr());
  const std::int64_t groups = (mask.numel() + kMaskGroup - 1) / kMaskGroup;
  at::parallel_for(0, groups, 256, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t first = begin * kMaskGroup;
    FillDropoutMask(key, site, threshold, keep, first, std::min(end * kMaskGroup, mask.numel()) - first, out + first);
  });
}

at::Tensor ApplyDropout(const at::Tensor& x, double rate, std::uint64_t key, std::uint32_t site) {
  if (rate <= 0) return x;
  const std::uint32_t threshold = DropThreshold(rate);
  STILL_CHECK(threshold < 65536, "dropout rate must be below 1");
  const double keep = 65536.0 / (65536.0 - threshold);
  const at::Tensor mask = at::empty(x.sizes(), x.options().requires_grad(false));
  switch (x.scalar_type()) {
    case at::kFloat: FillMask<float>(mask, key, site, threshold, static_cast<float>(keep)); break;
    case at::kDouble: FillMask<double>(mask, key, site, threshold, keep); break;
    case at::kBFloat16:
      FillMask<std::uint16_t>(mask, key, site, threshold, c10::BFloat16(static_cast<float>(keep)).x);
      break;
    default: STILL_CHECK(false, "no dropout for this type");
  }
  return x * mask;
}

// Returns the product. It is computed in the type `compute.matmul`, which is also that of the result.
at::Tensor Linear(const ParameterSet& parameters, const std::string& name, const at::Tensor& x,
                  const Compute& compute) {
  return at::linear(x.to(compute.matmul), parameters.As(name + ".weight", compute.matmul),
                    parameters.As(name + ".bias", compute.matmul));
}

// Computes in the parameters' own precision.
at::Tensor Norm(const ParameterSet& parameters, const std::string& name, const at::Tensor& x) {
  const ModelShape& shape = parameters.shape();
  return at::layer_norm(x, {shape.hidden}, parameters[name + ".weight"], parameters[name + ".bias"],
                        shape.layer_norm_epsilon);
}

at::Tensor Embeddings(const ParameterSet& parameters, const at::Tensor& tokens) {
  const at::Tensor& table = parameters["embeddings.word"];
  // The gradient is sparse, because a dense one would be the whole table for each microbatch.
  const at::Tensor words = at::embedding(table, tokens, /*padding_idx=*/-1, false, /*sparse=*/table.requires_grad());
  return Norm(parameters, "embeddings.norm", words + parameters["embeddings.position"].narrow(0, 0, tokens.size(1)));
}

// Returns what is added to attention scores [B * heads, S, S]: 0 inside a row's length, hugely negative past it. The
// result is an undefined tensor when every row is full.
at::Tensor PaddingMask(const TokenBatch& batch, std::int64_t heads, at::ScalarType dtype) {
  const std::int64_t rows = batch.tokens.size(0), length = batch.tokens.size(1);
  if (batch.lengths.eq(length).all().item<bool>()) return {};
  const at::Tensor outside = at::arange(length).unsqueeze(0).ge(batch.lengths.unsqueeze(1));
  const at::Tensor mask = at::zeros({rows, length}, dtype).masked_fill_(outside, -1e30);
  return mask.view({rows, 1, 1, length}).expand({rows, heads, 1, length}).reshape({rows * heads, 1, length});
}

// Products through [B * heads, S, S] scores. LibTorch's flash kernel for CPUs has no dropout, and at BERT's shapes in
// bf16 (16 x 12 heads x 128 x 32, one thread of a busy machine) its forward took 11 ms and its backward 64 ms, where
// these two products and the softmax took 7 ms together.
at::Tensor SelfAttention(const ParameterSet& parameters, const std::string& name, const at::Tensor& x,
                         const at::Tensor& padding, const Dropout& dropout, std::uint32_t site,
                         const Compute& compute) {
  const std::int64_t rows = x.size(0), length = x.size(1);
  const std::int64_t heads = parameters.shape().heads, width = parameters.shape().hidden / heads;
  const auto parts = Linear(parameters, name + ".qkv", x, compute)
                         .view({rows, length, 3, heads, width})
                         .permute({2, 0, 3, 1, 4})
                         .reshape({3, rows * heads, length, width})
                         .unbind(0);
  at::Tensor scores = at::bmm(parts[0] * (1.0 / std::sqrt(static_cast<double>(width))), parts[1].transpose(1, 2));
  if (padding.defined()) scores.add_(padding);
  // at::softmax computes bf16 rows in fp32 inside.
  const at::Tensor probabilities = ApplyDropout(at::softmax(scores, -1), dropout.attention, dropout.key, site);
  const at::Tensor context =
      at::bmm(probabilities, parts[2]).view({rows, heads, length, width}).transpose(1, 2).reshape(x.sizes());
  return Linear(parameters, name + ".out", context, compute);
}

}  // namespace

at::Tensor EncoderForward(const ParameterSet& parameters, const TokenBatch& batch, const Dropout& dropout,
                          const Compute& compute) {
  const ModelShape& shape = parameters.shape();
  STILL_CHECK(batch.tokens.size(1) <= shape.positions, "a sequence is longer than the position table");
  const at::Tensor padding = PaddingMask(batch, shape.heads, compute.matmul);
  at::Tensor x = ApplyDropout(Embeddings(parameters, batch.tokens), dropout.hidden, dropout.key, kEmbeddings);
  const at::ScalarType dtype = x.scalar_type();
  const auto residual = [&](const at::Tensor& branch, std::uint32_t site) {
    return x + ApplyDropout(branch.to(dtype), dropout.hidden, dropout.key, site);
  };
  for (std::int64_t i = 0; i < shape.layers; ++i) {
    const std::string layer = "layer." + std::to_string(i);
    const at::Tensor attended =
        SelfAttention(parameters, layer + ".attention", x, padding, dropout, LayerSite(i, kAttention), compute);
    x = Norm(parameters, layer + ".attention.norm", residual(attended, LayerSite(i, kAttentionOut)));
    const at::Tensor inner = at::gelu(Linear(parameters, layer + ".ffn.in", x, compute));
    x = Norm(parameters, layer + ".ffn.norm",
             residual(Linear(parameters, layer + ".ffn.out", inner, compute), LayerSite(i, kFeedForwardOut)));
  }
  return x;
}

at::Tensor HeadTransform(const ParameterSet& parameters, const at::Tensor& hidden, const Compute& compute) {
  const at::Tensor inner = at::gelu(Linear(parameters, "head.transform", hidden, compute));
  return Norm(parameters, "head.norm", inner.to(parameters.weights().scalar_type()));
}

at::Tensor HeadLogits(const ParameterSet& parameters, const at::Tensor& transformed, const Compute& compute) {
  const at::Tensor& bias = parameters["head.decoder.bias"];
  const at::Tensor products =
      at::linear(transformed.to(compute.matmul), parameters.As("embeddings.word", compute.matmul));
  return products.to(bias.scalar_type()) + bias;
}

}  // namespace still::worker
