// The shape of a BERT-family encoder with a masked-language-model head, teacher and student alike: no token-type table
// (row 0 of a teacher's is folded into its position table when it is imported), no pooler.
#pragma once

#include <cstdint>
#include <string>

#include "common/status.h"

namespace still::worker {

struct ModelShape {
  std::int64_t layers = 0;
  std::int64_t hidden = 0;
  std::int64_t heads = 0;
  std::int64_t intermediate = 0;
  std::int64_t vocabulary = 0;
  std::int64_t positions = 0;
  double layer_norm_epsilon = 1e-12;

  std::int64_t EncoderParameters() const;  // DistilBERT-base: 66,362,880
  std::int64_t Parameters() const;         // with the head, decoder tied: 66,985,530
  Status Check() const;                    // INVALID_ARGUMENT names the field
};

std::string ShapeToJson(const ModelShape& shape);
Result<ModelShape> ShapeFromJson(const std::string& json, const std::string& origin);

}  // namespace still::worker
