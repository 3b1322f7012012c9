#include "worker/train/step_plan.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "worker/device/exact_sum.h"

namespace still::worker {

StepPlanner::StepPlanner(const PlanOptions& options, const shards::CorpusView& corpus, const shards::Masker& masker)
    : options_(options), corpus_(&corpus), masker_(&masker) {
  total_steps_ = options.epochs * shards::StepsPerEpoch(corpus.sequences(), options.sequences_per_step);
  if (options.max_steps > 0) total_steps_ = std::min<std::uint64_t>(total_steps_, options.max_steps);
}

Result<StepPlanner> StepPlanner::Create(const PlanOptions& options, const shards::CorpusView& corpus,
                                        const shards::Masker& masker) {
  if (corpus.sequences() == 0)
    return Error(Code::kInvalidArgument, "corpus {} has no training sequences; give it more text",
                 options.corpus_digest);
  if (options.epochs == 0 || options.sequences_per_step == 0 || options.microbatch_tokens == 0 ||
      options.mask_variants == 0)
    return Error(Code::kInvalidArgument,
                 "epochs, sequences_per_step, microbatch_tokens and mask variants must be positive, not {}, {}, {}, {}",
                 options.epochs, options.sequences_per_step, options.microbatch_tokens, options.mask_variants);
  return StepPlanner(options, corpus, masker);
}

Result<StepPlan> StepPlanner::Plan(std::uint64_t step) const {
  const shards::StepAddress address = shards::AddressOfStep(step, corpus_->sequences(), options_.sequences_per_step);
  const shards::EpochOrder order(corpus_->sequences(), options_.seed, address.epoch, options_.corpus_digest);
  StepPlan plan{.step = step,
                .epoch = address.epoch,
                .variant = static_cast<std::uint32_t>(address.epoch % options_.mask_variants)};

  std::vector<std::uint64_t> sequences;
  std::vector<std::uint32_t> lengths;
  for (std::uint64_t position = address.first; position < address.last; ++position) {
    const std::uint64_t sequence = order.At(position);
    STILL_ASSIGN_OR_RETURN(const shards::TokenSpan tokens, corpus_->Sequence(sequence));
    const auto length = static_cast<std::uint32_t>(tokens.size());
    const auto candidates = static_cast<std::uint32_t>(
        std::ranges::count_if(tokens, [&](shards::TokenId id) { return !corpus_->special_tokens().Contains(id); }));
    sequences.push_back(sequence);
    lengths.push_back(length);
    plan.tokens += length;
    plan.positions.masked += masker_->MaskedCount(length, candidates);
  }
  plan.sequences = sequences.size();
  plan.positions.targets =
      options_.targets_at_all_positions ? static_cast<std::int64_t>(plan.tokens) : plan.positions.masked;
  plan.microbatches = shards::CutMicrobatches(sequences, lengths, options_.microbatch_tokens);
  if (plan.microbatches.size() > kMaxTerms)
    return Error(Code::kInvalidArgument,
                 "step {} has {} microbatches, more than the {} that can be summed exactly; raise microbatch_tokens "
                 "(now {}) or lower sequences_per_step (now {})",
                 step, plan.microbatches.size(), kMaxTerms, options_.microbatch_tokens, options_.sequences_per_step);
  return plan;
}

std::uint64_t PaddedTokens(const shards::Microbatch& microbatch) {
  return std::uint64_t{microbatch.padded_length} * microbatch.sequences.size();
}

std::vector<std::size_t> AllMicrobatches(const StepPlan& plan) {
  std::vector<std::size_t> all(plan.microbatches.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

std::vector<std::size_t> ShareOfRank(const StepPlan& plan, const std::vector<std::size_t>& microbatches, int rank,
                                     const std::vector<std::int64_t>& costs) {
  const auto size = [&](std::size_t index) { return PaddedTokens(plan.microbatches[index]); };
  std::vector<std::size_t> by_size = microbatches;
  std::ranges::stable_sort(by_size, std::ranges::greater{}, size);
  // A rank whose cost is not known counts as the quickest, so it gets a share and its cost is known after that.
  std::int64_t quickest = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t cost : costs) quickest = cost > 0 ? std::min(quickest, cost) : quickest;
  if (quickest == std::numeric_limits<std::int64_t>::max()) quickest = 1;
  std::vector<std::uint64_t> tokens(costs.size());
  const auto done_at = [&](std::size_t to, std::size_t index) {
    return (tokens[to] + size(index)) * static_cast<std::uint64_t>(costs[to] > 0 ? costs[to] : quickest);
  };
  std::vector<std::size_t> share;
  for (const std::size_t index : by_size) {
    std::size_t first = 0;
    for (std::size_t to = 1; to < costs.size(); ++to) {
      if (done_at(to, index) < done_at(first, index)) first = to;
    }
    tokens[first] += size(index);
    if (first == static_cast<std::size_t>(rank)) share.push_back(index);
  }
  std::ranges::sort(share);
  return share;
}

}  // namespace still::worker
