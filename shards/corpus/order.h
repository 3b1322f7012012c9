// The order of sequences: which sequences a step uses, and in which microbatches. The number of a step alone says where
// in the data a run is.
//
// The order of an epoch is a keyed permutation of [0, n). It is a Feistel network over the next even power of two with
// cycle walking, so any process computes any position in O(1). Step s of an epoch owns positions [s*G, (s+1)*G), for G
// sequences per step. The last step is short, and never padded or dropped. Within a step, sequences are sorted by
// length and cut into microbatches.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace still::shards {

// The order of one epoch: a bijection of [0, size). Immutable and thread-safe.
class EpochOrder {
 public:
  EpochOrder(std::uint64_t size, std::uint64_t seed, std::uint64_t epoch, std::string_view corpus_digest);
  std::uint64_t size() const { return size_; }
  std::uint64_t At(std::uint64_t position) const;

 private:
  std::uint64_t size_;
  std::uint64_t key_;
  unsigned half_bits_;
};

// The epoch that a step is in, and the positions of it that are its own.
struct StepAddress {
  std::uint64_t epoch = 0;
  std::uint64_t first = 0;  // positions [first, last) of that epoch's order
  std::uint64_t last = 0;
};

// Returns the number of steps of an epoch, the short one included.
std::uint64_t StepsPerEpoch(std::uint64_t sequences, std::uint64_t sequences_per_step);
// Returns the address of a step, counted from 0 over all epochs.
StepAddress AddressOfStep(std::uint64_t step, std::uint64_t sequences, std::uint64_t sequences_per_step);

// One microbatch: sequence indices, longest first, padded to the first one's length.
struct Microbatch {
  std::vector<std::uint64_t> sequences;
  std::uint32_t padded_length = 0;
};

// Cuts the sequences of a step into microbatches of at most `budget_tokens` padded tokens. `lengths` has one length per
// sequence. A sequence that is longer than the budget has a microbatch of its own. Sequences of equal length keep their
// order, so the result is a pure function.
std::vector<Microbatch> CutMicrobatches(const std::vector<std::uint64_t>& sequences,
                                        const std::vector<std::uint32_t>& lengths, std::uint32_t budget_tokens);

}  // namespace still::shards
