#include "shards/corpus/corpus_view.h"

#include <algorithm>
#include <utility>

#include "common/check.h"
#include "shards/corpus/corpus_manifest.h"
#include "shards/corpus/shard_reader.h"

namespace still::shards {
namespace {

class MappedCorpus final : public CorpusView {
 public:
  // `shards` is not empty and of one kind.
  explicit MappedCorpus(std::vector<std::unique_ptr<ShardReader>> shards)
      : shards_(std::move(shards)), token_counts_(vocabulary_size()) {
    for (const auto& shard : shards_) {
      begins_.push_back(begins_.back() + shard->sequences());
      const auto histogram = shard->token_histogram();
      for (std::size_t id = 0; id < histogram.size(); ++id) token_counts_[id] += histogram[id];
    }
  }

  std::uint64_t sequences() const override { return begins_.back(); }
  Result<TokenSpan> Sequence(std::uint64_t index) const override {
    const std::size_t shard = ShardOf(index);
    return shards_[shard]->Sequence(index - begins_[shard]);
  }
  std::uint32_t Length(std::uint64_t index) const override {
    const std::size_t shard = ShardOf(index);
    return shards_[shard]->Length(index - begins_[shard]);
  }
  const std::vector<std::uint64_t>& token_counts() const override { return token_counts_; }
  const SpecialTokens& special_tokens() const override { return shards_.front()->info().special; }
  std::uint32_t vocabulary_size() const override { return shards_.front()->info().vocabulary_size; }

  std::uint32_t shards() const override { return static_cast<std::uint32_t>(shards_.size()); }
  std::uint64_t ShardBegin(std::uint32_t shard) const override { return begins_[shard]; }
  std::uint64_t ShardEnd(std::uint32_t shard) const override { return begins_[shard + 1]; }

 private:
  std::size_t ShardOf(std::uint64_t index) const {
    STILL_CHECK(index < sequences(), fmt::format("sequence {} of {}", index, sequences()));
    return static_cast<std::size_t>(std::upper_bound(begins_.begin(), begins_.end(), index) - begins_.begin()) - 1;
  }

  std::vector<std::unique_ptr<ShardReader>> shards_;
  std::vector<std::uint64_t> begins_ = {0};  // first sequence of each shard, then the number of all
  std::vector<std::uint64_t> token_counts_;
};

bool SameKind(const ShardInfo& a, const ShardInfo& b) {
  return a.corpus_fingerprint == b.corpus_fingerprint && a.tokenizer_fingerprint == b.tokenizer_fingerprint &&
         a.vocabulary_size == b.vocabulary_size && a.special == b.special;
}

}  // namespace

Result<std::unique_ptr<CorpusView>> CorpusView::Open(const std::string& directory, Split split) {
  STILL_ASSIGN_OR_RETURN(const CorpusManifest manifest, ReadCorpusManifest(directory));
  std::vector<std::unique_ptr<ShardReader>> shards;
  for (const ShardEntry& entry : manifest.shards) {
    if (entry.split != split) continue;
    STILL_ASSIGN_OR_RETURN(auto shard, OpenListedShard(directory, entry));
    if (shard->info().shard != shards.size() || (!shards.empty() && !SameKind(shard->info(), shards[0]->info()))) {
      return Error(Code::kDataLoss,
                   "shard {} (number {} of corpus {}, tokenizer {}) does not belong at place {} of {}; rebuild the "
                   "corpus: remove {} and run again",
                   shard->path(), shard->info().shard, shard->info().corpus_fingerprint,
                   shard->info().tokenizer_fingerprint, shards.size(), directory, directory);
    }
    shards.push_back(std::move(shard));
  }
  if (shards.empty()) {
    return Error(Code::kNotFound, "{} has no {} sequences; give it more text, or change corpus.heldout_percent",
                 directory, SplitName(split));
  }
  return std::unique_ptr<CorpusView>(std::make_unique<MappedCorpus>(std::move(shards)));
}

}  // namespace still::shards
