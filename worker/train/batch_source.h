// Makes tensors of a microbatch: masked tokens, the rows where losses apply, and the teacher's targets there.
#pragma once

#include <cstdint>

#include "common/status.h"
#include "shards/corpus/corpus_view.h"
#include "shards/corpus/masking.h"
#include "shards/corpus/order.h"
#include "shards/targets/target_store.h"
#include "worker/model/encoder.h"
#include "worker/train/loss.h"

namespace still::worker {

struct Batch {
  TokenBatch tokens;
  LossRows rows;
  BatchTargets targets;
};

// Makes batches from a corpus and its targets. Keeps references to its arguments, which outlive it. Thread-safe.
class BatchSource {
 public:
  // When `targets` is null, batches are for masked language modelling only and have no target rows.
  BatchSource(const shards::CorpusView& corpus, const shards::Masker& masker, const shards::TargetSet* targets,
              bool targets_at_all_positions)
      : corpus_(corpus), masker_(masker), targets_(targets), all_positions_(targets_at_all_positions) {}

  // Returns the batch of `microbatch` under mask variant `variant`. DATA_LOSS names the sequence that is damaged, or
  // whose target is missing, damaged or of another input. Such a sequence is never trained on.
  Result<Batch> Make(const shards::Microbatch& microbatch, std::uint32_t variant) const;

 private:
  Result<shards::TargetRecord> ReadTarget(std::uint64_t sequence, std::uint32_t variant,
                                          const shards::MaskedSequence& masked) const;

  const shards::CorpusView& corpus_;
  const shards::Masker& masker_;
  const shards::TargetSet* targets_;
  bool all_positions_;
};

}  // namespace still::worker
