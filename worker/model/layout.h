// Says where each parameter of a model lies in the flat vector that is summed, stepped and checkpointed. No tensor
// library here: the optimizer and checkpoints need no more than this.
//
// Names: "embeddings.word" [V,H], "embeddings.position" [P,H], "embeddings.norm.weight|bias" [H],
//   "layer.<i>.attention.qkv.weight" [3H,H] | .bias [3H], "layer.<i>.attention.out.weight" [H,H] | .bias,
//   "layer.<i>.attention.norm.weight|bias", "layer.<i>.ffn.in.weight" [F,H] | .bias [F], "layer.<i>.ffn.out.weight"
//   [H,F] | .bias, "layer.<i>.ffn.norm.weight|bias", "head.transform.weight" [H,H] | .bias, "head.norm.weight|bias",
//   "head.decoder.bias" [V]. The decoder's weight is "embeddings.word" (tied).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "worker/model/shape.h"

namespace still::worker {

struct ParameterInfo {
  std::string name;
  std::vector<std::int64_t> shape;
  std::int64_t offset = 0;  // in elements
  std::int64_t size = 0;
  bool decay = true;  // weight decay applies (not to biases and LayerNorm)
};

// Name, shape and offset of every parameter, in buffer order.
std::vector<ParameterInfo> ParameterLayout(const ModelShape& shape);

// Elements of the flat vector.
inline std::size_t ExtentOf(const std::vector<ParameterInfo>& layout) {
  std::int64_t extent = 0;
  for (const ParameterInfo& parameter : layout) extent = std::max(extent, parameter.offset + parameter.size);
  return static_cast<std::size_t>(extent);
}

}  // namespace still::worker
