// The types of token ids, shared by all code that handles tokens.
#pragma once

#include <cstdint>
#include <span>

namespace still::shards {

// BERT vocabularies have fewer than 65,536 entries. Tokenizer::Load refuses a larger one.
using TokenId = std::uint16_t;
using TokenSpan = std::span<const TokenId>;

struct SpecialTokens {
  TokenId pad = 0;
  TokenId unknown = 0;
  TokenId classify = 0;   // [CLS]
  TokenId separator = 0;  // [SEP]
  TokenId mask = 0;

  bool operator==(const SpecialTokens&) const = default;
  bool Contains(TokenId id) const {
    return id == pad || id == unknown || id == classify || id == separator || id == mask;
  }
};

}  // namespace still::shards
