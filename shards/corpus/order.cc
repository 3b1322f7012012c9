#include "shards/corpus/order.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include "common/bytes.h"
#include "common/check.h"
#include "common/digest.h"
#include "common/random.h"

namespace still::shards {
namespace {

// Four rounds make a pseudo-random permutation of a large domain (Luby & Rackoff 1988). Small domains need more.
constexpr unsigned kRounds = 6;

unsigned HalfBits(std::uint64_t size) {
  const auto bits = static_cast<unsigned>(std::bit_width(size > 0 ? size - 1 : 0));
  return std::max(1U, (bits + 1) / 2);
}

}  // namespace

EpochOrder::EpochOrder(std::uint64_t size, std::uint64_t seed, std::uint64_t epoch, std::string_view corpus_digest)
    : size_(size), key_(MixKey({seed, epoch, ContentId(AsBytes(corpus_digest))})), half_bits_(HalfBits(size)) {}

std::uint64_t EpochOrder::At(std::uint64_t position) const {
  STILL_CHECK(position < size_, "a position beyond the epoch");
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  std::uint64_t value = position;
  // Cycle walking: the domain is at most four times `size`, so fewer than four walks are expected.
  do {
    std::uint64_t left = value >> half_bits_;
    std::uint64_t right = value & mask;
    for (unsigned round = 0; round < kRounds; ++round) {
      // The half has at most 32 bits, so round and half never overlap.
      const std::uint64_t mixed = MixKey({key_ ^ (right << 8 | round)});
      left = std::exchange(right, left ^ (mixed & mask));
    }
    value = left << half_bits_ | right;
  } while (value >= size_);
  return value;
}

std::uint64_t StepsPerEpoch(std::uint64_t sequences, std::uint64_t sequences_per_step) {
  STILL_CHECK(sequences_per_step > 0, "a step needs sequences");
  return (sequences + sequences_per_step - 1) / sequences_per_step;
}

StepAddress AddressOfStep(std::uint64_t step, std::uint64_t sequences, std::uint64_t sequences_per_step) {
  const std::uint64_t steps = StepsPerEpoch(sequences, sequences_per_step);
  STILL_CHECK(steps > 0, "an empty corpus has no steps");
  const std::uint64_t first = step % steps * sequences_per_step;
  return {.epoch = step / steps, .first = first, .last = std::min(first + sequences_per_step, sequences)};
}

std::vector<Microbatch> CutMicrobatches(const std::vector<std::uint64_t>& sequences,
                                        const std::vector<std::uint32_t>& lengths, std::uint32_t budget_tokens) {
  STILL_CHECK(sequences.size() == lengths.size(), "one length per sequence");
  std::vector<std::size_t> by_length(sequences.size());
  std::iota(by_length.begin(), by_length.end(), std::size_t{0});
  std::stable_sort(by_length.begin(), by_length.end(),
                   [&](std::size_t a, std::size_t b) { return lengths[a] > lengths[b]; });
  std::vector<Microbatch> microbatches;
  for (const std::size_t i : by_length) {
    // Longest first, so the first one's length is what all are padded to.
    if (microbatches.empty() ||
        (microbatches.back().sequences.size() + 1) * microbatches.back().padded_length > budget_tokens) {
      microbatches.push_back({.sequences = {}, .padded_length = lengths[i]});
    }
    microbatches.back().sequences.push_back(sequences[i]);
  }
  return microbatches;
}

}  // namespace still::shards
