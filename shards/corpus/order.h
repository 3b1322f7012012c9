// Which sequences a step uses: the data cursor is one integer.
//
// An epoch's order is a keyed permutation of [0, n): a Feistel network over the next even power of two with cycle
// walking, so any position is computed in O(1) by anyone. Step s of an epoch owns positions [s*G, (s+1)*G); the last
// step is short, never padded or dropped. Inside a step only, sequences are sorted by length and cut into microbatches.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace still::shards {

// A bijection of [0, size). Pure; thread-safe.
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

// Where a global step falls.
struct StepAddress {
  std::uint64_t epoch = 0;
  std::uint64_t first = 0;  // positions [first, last) of that epoch's order
  std::uint64_t last = 0;
};

std::uint64_t StepsPerEpoch(std::uint64_t sequences, std::uint64_t sequences_per_step);
StepAddress AddressOfStep(std::uint64_t step, std::uint64_t sequences, std::uint64_t sequences_per_step);

// One microbatch: sequence indices, longest first, padded to the first one's length.
struct Microbatch {
  std::vector<std::uint64_t> sequences;
  std::uint32_t padded_length = 0;
};

// Cuts a step's sequences (with their lengths, same order) into microbatches of at most `budget_tokens` padded tokens
// (a longer single sequence makes its own). Ties in length keep the order given: the result is a pure function.
std::vector<Microbatch> CutMicrobatches(const std::vector<std::uint64_t>& sequences,
                                        const std::vector<std::uint32_t>& lengths, std::uint32_t budget_tokens);

}  // namespace still::shards
