// The frozen teacher as a function from masked sequences to target records. No tensor library in this header.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/status.h"
#include "shards/corpus/masking.h"
#include "shards/targets/target_cache.h"

namespace still::worker {

// Owned by one thread.
class TargetTeacher {
 public:
  // `model_directory` as SaveModel writes it. For hidden_f16 the width of `spec` is set to the teacher's hidden size.
  // With `bf16`, matrix products are in bfloat16.
  static Result<std::unique_ptr<TargetTeacher>> Load(const std::string& model_directory, shards::TargetSpec spec,
                                                     bool all_positions, bool bf16);
  virtual ~TargetTeacher() = default;

  virtual const shards::TargetSpec& spec() const = 0;
  // One record a sequence, at all its positions or at the masked ones. The same batch gives the same bits; another
  // grouping of the same sequences need not.
  virtual std::vector<shards::TargetRecord> Run(const std::vector<const shards::MaskedSequence*>& batch) const = 0;
};

}  // namespace still::worker
