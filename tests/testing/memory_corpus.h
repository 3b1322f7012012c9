// A corpus in memory, over a vocabulary of 100 tokens that are equally frequent.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "shards/corpus/corpus_view.h"

namespace still::testing {

class MemoryCorpus final : public shards::CorpusView {
 public:
  // The shards begin at the sequences `begins`.
  explicit MemoryCorpus(std::vector<std::vector<shards::TokenId>> text, std::vector<std::uint64_t> begins = {0})
      : text_(std::move(text)), begins_(std::move(begins)) {}

  std::uint64_t sequences() const override { return text_.size(); }
  Result<shards::TokenSpan> Sequence(std::uint64_t index) const override {
    if (index == damaged) return Error(Code::kDataLoss, "sequence {}", index);
    return shards::TokenSpan(text_[index]);
  }
  std::uint32_t Length(std::uint64_t index) const override { return static_cast<std::uint32_t>(text_[index].size()); }
  const std::vector<std::uint64_t>& token_counts() const override { return counts_; }
  const shards::SpecialTokens& special_tokens() const override { return special_; }
  std::uint32_t vocabulary_size() const override { return 100; }
  std::uint32_t shards() const override { return static_cast<std::uint32_t>(begins_.size()); }
  std::uint64_t ShardBegin(std::uint32_t shard) const override { return begins_[shard]; }
  std::uint64_t ShardEnd(std::uint32_t shard) const override {
    return shard + 1 < begins_.size() ? begins_[shard + 1] : sequences();
  }

  // Reading this sequence is DATA_LOSS.
  std::uint64_t damaged = ~std::uint64_t{0};

 private:
  std::vector<std::vector<shards::TokenId>> text_;
  std::vector<std::uint64_t> begins_;
  shards::SpecialTokens special_{.pad = 0, .unknown = 1, .classify = 2, .separator = 3, .mask = 4};
  std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>(100, 10);
};

}  // namespace still::testing
