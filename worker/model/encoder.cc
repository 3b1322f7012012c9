#include "worker/model/encoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "worker/device/dropout_mask.h"
#include "worker/device/kernels.h"

namespace still::worker {
namespace {

// The places where a dropout mask is applied; layer sites follow each other in threes.
enum Site : std::uint32_t { kEmbeddings = 0, kAttention = 1, kAttentionOut = 2, kFeedForwardOut = 3 };
std::uint32_t LayerSite(std::int64_t layer, Site site) { return static_cast<std::uint32_t>(3 * layer) + site; }

at::Tensor ApplyDropout(const at::Tensor& x, double rate, std::uint64_t key, std::uint32_t site) {
  if (rate <= 0) return x;
  const std::uint32_t threshold = DropThreshold(rate);
  STILL_CHECK(threshold < 65536, "dropout rate must be below 1");
  const double keep = 65536.0 / (65536.0 - threshold);
  const at::Tensor mask = at::empty(x.sizes(), x.options().requires_grad(false));
  KernelsOf(x.device()).FillDropout(mask, {.key = key, .site = site, .threshold = threshold}, keep);
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

// Looks up the words of a table. Its gradient is added to the table's in a fixed order: LibTorch's own would be as
// large as the table for each microbatch, or added in no certain order, as devices differ.
class WordLookup : public torch::autograd::Function<WordLookup> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& table,
                            const at::Tensor& tokens) {
    context->save_for_backward({table, tokens});
    return at::embedding(table, tokens);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const torch::autograd::variable_list saved = context->get_saved_variables();
    const at::Tensor &table = saved[0], &tokens = saved[1];
    const auto [rows, order] = at::sort(tokens.flatten(), std::optional(true), /*dim=*/0, /*descending=*/false);
    KernelsOf(table.device()).AddRowsInOrder(gradients[0].flatten(0, 1).contiguous(), order, rows, table.grad());
    return {at::Tensor(), at::Tensor()};
  }
};

at::Tensor Embeddings(const ParameterSet& parameters, const at::Tensor& tokens) {
  const at::Tensor words = WordLookup::apply(parameters["embeddings.word"], tokens);
  return Norm(parameters, "embeddings.norm", words + parameters["embeddings.position"].narrow(0, 0, tokens.size(1)));
}

// Returns what is added to attention scores [B * heads, S, S]: 0 inside a row's length, hugely negative past it. The
// result is an undefined tensor when every row is full.
at::Tensor PaddingMask(const TokenBatch& batch, std::int64_t heads, at::ScalarType dtype) {
  const std::int64_t rows = batch.tokens.size(0), length = batch.tokens.size(1);
  if (batch.full) return {};
  const at::TensorOptions options = batch.lengths.options();
  const at::Tensor outside = at::arange(length, options).unsqueeze(0).ge(batch.lengths.unsqueeze(1));
  const at::Tensor mask = at::zeros({rows, length}, options.dtype(dtype)).masked_fill_(outside, -1e30);
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
