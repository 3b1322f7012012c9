// The terms that travel with a step's gradients in the same all-reduce: their indices, and what ranks learn from them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace still::worker {

// Indices into StepSums' terms. Their number does not depend on the step, so that a rank that could not even plan it
// still takes part in the all-reduce.
class StepTerms {
 public:
  enum Term : std::size_t {
    kKl,  // losses as fixed-point shares of the step's means
    kMlm,
    kCosine,
    kCorrect,  // counts
    kMasked,
    kAuditSequences,
    kAuditHash,      // audit.h
    kCheckpointDue,  // set by the leading rank
    kWriterBusy,     // set by every rank whose last checkpoint is still being written
    kDrain,          // set by every rank that was asked to end
    kWatch,          // hash of a window of this rank's weights, equal on all ranks
    kTerms
  };

  // `ranks` is the number at launch. A step has at most `microbatches`.
  StepTerms(int ranks, std::size_t microbatches) : ranks_(static_cast<std::size_t>(ranks)), flags_(microbatches) {}

  std::size_t cost(int launch_rank) const { return kTerms + static_cast<std::size_t>(launch_rank); }
  std::size_t first_flag() const { return kTerms + ranks_; }  // one per microbatch: 1 when it is not finite
  std::size_t flags() const { return flags_; }
  std::size_t size() const { return first_flag() + flags_; }

 private:
  std::size_t ranks_;
  std::size_t flags_;
};

// The smoothed time per token of each rank. All ranks have the same numbers, since they come from the sums.
class RankCosts {
 public:
  explicit RankCosts(int ranks) : nanoseconds_(static_cast<std::size_t>(ranks)) {}

  void Record(int launch_rank, std::int64_t nanoseconds_per_token) {
    std::int64_t& known = nanoseconds_[static_cast<std::size_t>(launch_rank)];
    if (nanoseconds_per_token > 0) {
      known = known == 0 ? nanoseconds_per_token : (3 * known + nanoseconds_per_token) / 4;
    } else {
      known -= known / 4;  // it computed nothing: it will be tried again sooner or later
    }
  }
  // Returns the costs of `members` (launch ranks), in their order.
  std::vector<std::int64_t> Of(const std::vector<int>& members) const {
    std::vector<std::int64_t> costs;
    for (const int rank : members) costs.push_back(nanoseconds_[static_cast<std::size_t>(rank)]);
    return costs;
  }

 private:
  std::vector<std::int64_t> nanoseconds_;
};

}  // namespace still::worker
