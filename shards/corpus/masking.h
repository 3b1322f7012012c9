// Chooses which positions of a sequence are masked (Devlin et al. 2019, with the token weights of DistilBERT's code).
// The mask is a pure function of (seed, sequence content, variant). So the processes of teacher and student compute the
// same mask, and compare its hash.
//
// In a sequence of L tokens, ceil(rate x L) positions are drawn without replacement, with weight count^-smoothing.
// Special tokens are never drawn; a sequence with fewer candidates gets fewer positions. Of the drawn positions 80 %
// become [MASK], 10 % become a uniform random id of the whole vocabulary, as in BERT's code, and 10 % keep their token.
#pragma once

#include <cstdint>
#include <vector>

#include "common/random.h"
#include "shards/text/tokens.h"

namespace still::shards {

struct MaskPolicy {
  std::uint64_t seed = 0;
  double rate = 0.15;
  double smoothing = 0.7;
  std::uint32_t variants = 1;
};

// A sequence with one mask applied.
struct MaskedSequence {
  std::vector<TokenId> input;            // what the model sees
  std::vector<std::uint16_t> positions;  // ascending; where the model is asked
  std::vector<TokenId> labels;           // the original token at each of them
  std::uint64_t hash = 0;                // of input and positions
};

// Immutable and thread-safe.
class Masker {
 public:
  Masker(const MaskPolicy& policy, const std::vector<std::uint64_t>& token_counts, const SpecialTokens& special);

  // Returns the sequence masked by mask variant `variant`.
  MaskedSequence Mask(TokenSpan tokens, std::uint32_t variant) const;

  // Returns how many positions Mask chooses in a sequence of `length` tokens with `candidates` that are not special.
  std::uint32_t MaskedCount(std::uint32_t length, std::uint32_t candidates) const;

 private:
  std::vector<std::uint16_t> ChoosePositions(TokenSpan tokens, KeyedRandom* random) const;

  MaskPolicy policy_;
  SpecialTokens special_;
  std::vector<double> inverse_weight_;  // count^smoothing, by token id
};

}  // namespace still::shards
