// A committed corpus, opened: all shards of training or held-out are mapped, and one index counts all their sequences.
// On disk it is <artifacts>/corpus/<digest>/{identity.txt, manifest.json, summary.json, vocab.txt, train-NNNNN, ...}.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/status.h"
#include "shards/text/tokens.h"

namespace still::shards {

// The part of the corpus that a document is in. It is unrelated to input splits.
enum class Split { kTrain, kHeldout };

// The counts that building a corpus gave. They are kept in summary.json.
struct CorpusCounts {
  std::uint64_t pages = 0;
  std::uint64_t articles = 0;
  std::uint64_t redirects = 0;
  std::uint64_t sha1_verified = 0;
  std::uint64_t books = 0;
  std::uint64_t documents = 0;
  std::uint64_t text_bytes = 0;
  std::uint64_t tokens = 0;  // train and held-out, special tokens included
  std::uint64_t train_sequences = 0;
  std::uint64_t heldout_sequences = 0;
  std::uint64_t dropped_short = 0;  // sequences below min_sequence_tokens
};

// Immutable and thread-safe.
class CorpusView {
 public:
  // Maps every shard of the split and checks all but its tokens; those are checked when they are first read. NOT_FOUND
  // when the corpus is missing, DATA_LOSS when it is damaged.
  static Result<std::unique_ptr<CorpusView>> Open(const std::string& directory, Split split);
  virtual ~CorpusView() = default;

  virtual std::uint64_t sequences() const = 0;
  // Returns the tokens of one sequence, [CLS] and [SEP] included, as a view into the map. DATA_LOSS when its blocks are
  // damaged.
  virtual Result<TokenSpan> Sequence(std::uint64_t index) const = 0;
  virtual std::uint32_t Length(std::uint64_t index) const = 0;
  // Returns how often each vocabulary id occurs in this split.
  virtual const std::vector<std::uint64_t>& token_counts() const = 0;
  virtual const SpecialTokens& special_tokens() const = 0;
  virtual std::uint32_t vocabulary_size() const = 0;

  virtual std::uint32_t shards() const = 0;
  // The sequences of a shard have the indices [ShardBegin, ShardEnd).
  virtual std::uint64_t ShardBegin(std::uint32_t shard) const = 0;
  virtual std::uint64_t ShardEnd(std::uint32_t shard) const = 0;
};

// Reads the counts of a corpus artifact from its summary.json. DATA_LOSS when one is missing there.
Result<CorpusCounts> ReadCorpusCounts(const std::string& directory);

}  // namespace still::shards
