// Forward pass of the BERT encoder (post-LayerNorm, erf-GELU; Devlin et al. 2019) and of the head's transform. Plain
// functions over a ParameterSet. With trainable parameters autograd records them, and the caller runs the backward
// pass. LayerNorm and residuals are fp32. Matrix products, attention probabilities and GELU are in `Compute::matmul`.
// Softmax computes in fp32 inside.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "worker/model/parameters.h"

namespace still::worker {

// Dropout without state: the mask of a site is a function of (key, site, element), key = MixKey({seed, step,
// microbatch}).
struct Dropout {
  double hidden = 0;     // after embeddings, attention output and feed-forward output
  double attention = 0;  // on attention probabilities
  std::uint64_t key = 0;
};

struct Compute {
  at::ScalarType matmul = at::kFloat;  // kFloat, kBFloat16 (or kDouble in tests)
};

// A padded batch.
struct TokenBatch {
  at::Tensor tokens;   // int64 [B, S]
  at::Tensor lengths;  // int64 [B]: the attended prefix of each row
  bool full = false;   // every row is as long as the rectangle, as its maker knows; false is always right
};

// Last hidden state [B, S, H]; rows past a sequence's length hold no meaning.
at::Tensor EncoderForward(const ParameterSet& parameters, const TokenBatch& batch, const Dropout& dropout,
                          const Compute& compute);

// The head's transform of hidden rows [N, H] -> [N, H]: LayerNorm(GELU(W h + b)). Logits are this times
// embeddings.word^T plus head.decoder.bias (HeadLogits).
at::Tensor HeadTransform(const ParameterSet& parameters, const at::Tensor& hidden, const Compute& compute);

// [N, H] transformed rows -> fp32 logits [N, V]. For inference and evaluation; training never materialises this.
at::Tensor HeadLogits(const ParameterSet& parameters, const at::Tensor& transformed, const Compute& compute);

}  // namespace still::worker
