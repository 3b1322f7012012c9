#include "shards/corpus/masking.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/bytes.h"
#include "common/digest.h"
#include "common/random.h"

namespace still::shards {
namespace {

constexpr double kMaskShare = 0.8;
constexpr double kRandomShare = 0.1;  // the rest keep their token

std::uint64_t HashOf(const MaskedSequence& masked) {
  std::string bytes;
  bytes.reserve(sizeof(std::uint32_t) + (masked.input.size() + masked.positions.size()) * sizeof(TokenId));
  AppendLittleEndian(bytes, static_cast<std::uint32_t>(masked.input.size()));
  bytes += AsText(std::as_bytes(std::span(masked.input)));
  bytes += AsText(std::as_bytes(std::span(masked.positions)));
  return ContentId(AsBytes(bytes));
}

}  // namespace

Masker::Masker(const MaskPolicy& policy, const std::vector<std::uint64_t>& token_counts, const SpecialTokens& special)
    : policy_(policy), special_(special) {
  inverse_weight_.reserve(token_counts.size());
  for (std::uint64_t count : token_counts) {
    inverse_weight_.push_back(std::pow(static_cast<double>(std::max<std::uint64_t>(count, 1)), policy.smoothing));
  }
}

std::uint32_t Masker::MaskedCount(std::uint32_t length, std::uint32_t candidates) const {
  // The slack keeps a product that is whole on paper from being rounded up to the next number.
  const auto wanted = static_cast<std::uint32_t>(std::ceil(policy_.rate * length - 1e-9));
  return std::min(wanted, candidates);
}

// Drawing without replacement with weights w_i is an exponential race: candidate i arrives at -log(u_i) / w_i, and the
// first n win (Efraimidis & Spirakis 2006). A libm that rounds log differently could swap only two arrivals within an
// ulp of each other, and the hash would show it.
std::vector<std::uint16_t> Masker::ChoosePositions(TokenSpan tokens, KeyedRandom* random) const {
  std::vector<std::pair<double, std::uint16_t>> arrivals;
  arrivals.reserve(tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (special_.Contains(tokens[i])) continue;
    const double u = 1.0 - random->NextUnit();  // in (0, 1]
    arrivals.emplace_back(-std::log(u) * inverse_weight_[tokens[i]], static_cast<std::uint16_t>(i));
  }
  const std::uint32_t count =
      MaskedCount(static_cast<std::uint32_t>(tokens.size()), static_cast<std::uint32_t>(arrivals.size()));
  std::nth_element(arrivals.begin(), arrivals.begin() + count, arrivals.end());
  std::vector<std::uint16_t> positions;
  positions.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) positions.push_back(arrivals[i].second);
  std::sort(positions.begin(), positions.end());
  return positions;
}

MaskedSequence Masker::Mask(TokenSpan tokens, std::uint32_t variant) const {
  KeyedRandom random(MixKey({policy_.seed, ContentId(std::as_bytes(tokens)), variant}));
  MaskedSequence masked;
  masked.input.assign(tokens.begin(), tokens.end());
  masked.positions = ChoosePositions(tokens, &random);
  masked.labels.reserve(masked.positions.size());
  for (const std::uint16_t position : masked.positions) {
    masked.labels.push_back(tokens[position]);
    const double choice = random.NextUnit();
    if (choice < kMaskShare) {
      masked.input[position] = special_.mask;
    } else if (choice < kMaskShare + kRandomShare) {
      const auto vocabulary = static_cast<std::uint32_t>(inverse_weight_.size());
      masked.input[position] = static_cast<TokenId>(random.NextBelow(vocabulary));
    }
  }
  masked.hash = HashOf(masked);
  return masked;
}

}  // namespace still::shards
