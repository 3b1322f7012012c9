// Masking for the masked language model (Devlin et al. 2019; token weighting of DistilBERT's code): a pure function of
// (seed, sequence content, variant), so teacher and student processes compute the same mask and compare its hash.
//
// ceil(rate x L) positions are drawn without replacement with weight count^-smoothing, never special tokens (fewer when
// the sequence has fewer candidates). Of them 80 % become [MASK], 10 % a uniform random id of the whole vocabulary (as
// in BERT's code), 10 % stay.
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

struct MaskedSequence {
  std::vector<TokenId> input;            // what the model sees
  std::vector<std::uint16_t> positions;  // ascending; where the model is asked
  std::vector<TokenId> labels;           // the original token at each of them
  std::uint64_t hash = 0;                // of input and positions
};

// Immutable; thread-safe.
class Masker {
 public:
  Masker(const MaskPolicy& policy, const std::vector<std::uint64_t>& token_counts, const SpecialTokens& special);

  MaskedSequence Mask(TokenSpan tokens, std::uint32_t variant) const;

  // How many positions Mask will choose in a sequence of `length` tokens with `candidates` maskable ones.
  std::uint32_t MaskedCount(std::uint32_t length, std::uint32_t candidates) const;

 private:
  std::vector<std::uint16_t> ChoosePositions(TokenSpan tokens, KeyedRandom* random) const;

  MaskPolicy policy_;
  SpecialTokens special_;
  std::vector<double> inverse_weight_;  // count^smoothing, by token id
};

}  // namespace still::shards
