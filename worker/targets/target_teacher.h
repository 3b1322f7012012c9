// The frozen teacher as a function from masked sequences to target records. This header needs no tensor library.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/status.h"
#include "shards/corpus/masking.h"
#include "shards/targets/target_cache.h"

namespace still::worker {

// A loaded teacher. One thread uses it.
class TargetTeacher {
 public:
  // Loads a model that SaveModel wrote to `model_directory`. For hidden_f16, spec() has the hidden size of the teacher
  // as its width, whatever that of `spec` is. With `bf16`, matrix products are in bfloat16. INVALID_ARGUMENT when top_k
  // exceeds the vocabulary.
  static Result<std::unique_ptr<TargetTeacher>> Load(const std::string& model_directory, shards::TargetSpec spec,
                                                     bool all_positions, bool bf16);
  virtual ~TargetTeacher() = default;

  virtual const shards::TargetSpec& spec() const = 0;
  // Returns one record per sequence, at all its positions or at the masked ones. The same batch gives the same bits.
  // The same sequences in other batches may give other bits.
  virtual std::vector<shards::TargetRecord> Run(const std::vector<const shards::MaskedSequence*>& batch) const = 0;
};

}  // namespace still::worker
