// The plan of one step: its microbatches, epoch, mask variant and the numbers of positions that divide its losses. It
// is a pure function of (corpus, seed, step, options). Ranks matter only in ShareOfRank, which says which rank computes
// what. Where the sums are exact, that cannot change a bit of the result.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/status.h"
#include "shards/corpus/corpus_view.h"
#include "shards/corpus/masking.h"
#include "shards/corpus/order.h"
#include "worker/train/loss_weights.h"

namespace still::worker {

struct PlanOptions {
  std::uint64_t seed = 0;
  std::string corpus_digest;
  std::uint32_t epochs = 1;
  std::uint32_t max_steps = 0;  // 0 for no limit but the epochs
  std::uint32_t sequences_per_step = 1;
  std::uint32_t microbatch_tokens = 1;
  std::uint32_t mask_variants = 1;
  bool targets_at_all_positions = true;
};

struct StepPlan {
  std::uint64_t step = 0;
  std::uint64_t epoch = 0;
  std::uint32_t variant = 0;  // of the mask
  std::vector<shards::Microbatch> microbatches;
  StepPositions positions;
  std::uint64_t sequences = 0;
  std::uint64_t tokens = 0;  // without padding
};

// Plans steps. Keeps references to corpus and masker, which outlive it. Thread-safe.
class StepPlanner {
 public:
  // INVALID_ARGUMENT when there is nothing to train on.
  static Result<StepPlanner> Create(const PlanOptions& options, const shards::CorpusView& corpus,
                                    const shards::Masker& masker);

  std::uint64_t total_steps() const { return total_steps_; }
  // DATA_LOSS when a sequence of the step is damaged; INVALID_ARGUMENT when it has more than kMaxTerms microbatches.
  Result<StepPlan> Plan(std::uint64_t step) const;

 private:
  StepPlanner(const PlanOptions& options, const shards::CorpusView& corpus, const shards::Masker& masker);

  PlanOptions options_;
  const shards::CorpusView* corpus_;
  const shards::Masker* masker_;
  std::uint64_t total_steps_;
};

// Assigns `microbatches` (indices into the plan) to ranks and returns those of `rank`, ascending. They are assigned by
// falling padded size, each to the rank that would finish it first; the lower rank wins a tie. `costs` has each rank's
// measured time per token, in any unit. A cost that is not known (0) counts as that of the quickest rank.
std::vector<std::size_t> ShareOfRank(const StepPlan& plan, const std::vector<std::size_t>& microbatches, int rank,
                                     const std::vector<std::int64_t>& costs);

// Returns the indices of all microbatches of the plan: 0, 1, ...
std::vector<std::size_t> AllMicrobatches(const StepPlan& plan);

// Returns the number of tokens of `microbatch`, padding included.
std::uint64_t PaddedTokens(const shards::Microbatch& microbatch);

}  // namespace still::worker
