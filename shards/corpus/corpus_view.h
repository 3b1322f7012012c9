// A built corpus, opened: all shards of one split mapped, sequences addressed by one index. Thread-safe to read.
// Layout on disk: <artifacts>/corpus/<digest>/{identity.txt, manifest.json, vocab.txt, train-NNNNN, heldout-NNNNN}.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/status.h"
#include "shards/text/tokens.h"

namespace still::shards {

enum class Split { kTrain, kHeldout };

// What building a corpus counted; kept in its manifest and shown in the summary.
struct CorpusCounts {
  std::uint64_t pages = 0;
  std::uint64_t articles = 0;
  std::uint64_t redirects = 0;
  std::uint64_t sha1_verified = 0;
  std::uint64_t books = 0;
  std::uint64_t documents = 0;
  std::uint64_t text_bytes = 0;
  std::uint64_t tokens = 0;  // train + held-out, specials included
  std::uint64_t train_sequences = 0;
  std::uint64_t heldout_sequences = 0;
  std::uint64_t dropped_short = 0;  // sequences below min_sequence_tokens
};

class CorpusView {
 public:
  // Maps and checks headers and footers of every shard of the split; block checksums are checked on first touch.
  static Result<std::unique_ptr<CorpusView>> Open(const std::string& directory, Split split);
  virtual ~CorpusView() = default;

  virtual std::uint64_t sequences() const = 0;
  // Tokens of one sequence, [CLS] and [SEP] included; a view into the map. DATA_LOSS when its blocks are damaged.
  virtual Result<TokenSpan> Sequence(std::uint64_t index) const = 0;
  virtual std::uint32_t Length(std::uint64_t index) const = 0;
  // Occurrences of each vocabulary id in this split; size = vocabulary.
  virtual const std::vector<std::uint64_t>& token_counts() const = 0;
  virtual const SpecialTokens& special_tokens() const = 0;
  virtual std::uint32_t vocabulary_size() const = 0;

  virtual std::uint32_t shards() const = 0;
  // Index range [first, last) of a shard's sequences.
  virtual std::uint64_t ShardBegin(std::uint32_t shard) const = 0;
  virtual std::uint64_t ShardEnd(std::uint32_t shard) const = 0;
};

// Counts of a corpus artifact, from its manifest.
Result<CorpusCounts> ReadCorpusCounts(const std::string& directory);

}  // namespace still::shards
