// The shard plan says which sequence of which document goes to which shard. It is the one decision about a corpus that
// needs all of the input. The planner drops duplicates in input order (duplicate_documents.h), puts each document into
// training or held-out by its digest, and fills one shard after the other with its sequences.
//
// The file is little-endian and used in place (docs/formats.md has its fields):
//
//   header | splits | shards | extents | footer
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/digest.h"
#include "common/status.h"
#include "shards/corpus/corpus_inputs.h"
#include "shards/corpus/corpus_view.h"
#include "shards/corpus/input_splits.h"
#include "shards/corpus/sealed_file.h"
#include "shards/corpus/split_file.h"

namespace still::shards {

namespace shard_plan_format {

inline constexpr SealedFormat kFormat = {.noun = "shard plan",
                                         .magic = {'S', 'T', 'I', 'L', 'P', 'L', 'A', 'N'},
                                         .end_magic = {'P', 'L', 'A', 'N', '.', 'E', 'N', 'D'},
                                         .version = 1};

struct Header {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t splits;
  std::array<char, 16> corpus;
  std::uint32_t train_shards;
  std::uint32_t heldout_shards;
  std::uint64_t extents;
  CorpusCounts counts;
  std::uint64_t duplicates;
};
static_assert(sizeof(Header) == 144 && std::is_trivially_copyable_v<Header>);

struct SplitEntry {
  Sha256Digest sha256;
  std::uint64_t text_begin;  // offset in the decompressed source at which its text begins
};

// Training shards stand before held-out ones.
struct Shard {
  std::uint64_t first_extent;
  std::uint32_t extents;
  std::uint32_t sequences;
};

// A run of sequences of one document within one shard.
struct Extent {
  std::uint32_t split;
  std::uint32_t document;
  std::uint32_t first_sequence;
  std::uint32_t sequences;
};

}  // namespace shard_plan_format

// The rule by which documents are cut into sequences: [CLS], up to max_tokens - 2 tokens of text, [SEP]. The last
// sequence of a document is dropped when it has fewer than min_tokens.
struct SequenceCut {
  std::uint32_t max_tokens = 0;
  std::uint32_t min_tokens = 0;

  std::uint64_t tokens_each() const { return max_tokens - 2; }
  bool DropsRest(std::uint64_t tokens) const {
    const std::uint64_t rest = tokens % tokens_each();
    return rest > 0 && rest + 2 < min_tokens;
  }
  std::uint64_t Sequences(std::uint64_t tokens) const {
    return tokens / tokens_each() + (tokens % tokens_each() > 0 && !DropsRest(tokens) ? 1 : 0);
  }
};

// Returns the bytes of the plan's file and sets its digest (hex). `open` opens an input split by its number. `on_split`
// is called after each one, and its error ends the work. INVALID_ARGUMENT when the inputs give no sequences. DATA_LOSS
// when the splits of a dump do not meet.
Result<std::string> MakeShardPlan(const v1::CorpusConfig& config, const std::string& corpus,
                                  const std::vector<InputSplit>& input,
                                  const std::function<Result<std::unique_ptr<SplitFile>>(std::uint32_t)>& open,
                                  const std::function<Status()>& on_split, std::string* digest);

// A shard plan, opened. Immutable and thread-safe.
class ShardPlan {
 public:
  // Reads and checks all of the file. DATA_LOSS when it is damaged or was made for another corpus.
  static Result<std::unique_ptr<const ShardPlan>> Open(const std::string& path, const std::string& corpus);

  std::string digest() const { return Hex(file_.sha256()); }
  const CorpusCounts& counts() const { return header_.counts; }
  std::uint64_t duplicates() const { return header_.duplicates; }
  std::uint32_t train_shards() const { return header_.train_shards; }
  std::span<const shard_plan_format::SplitEntry> splits() const { return splits_; }
  std::span<const shard_plan_format::Shard> shards() const { return shards_; }
  std::span<const shard_plan_format::Extent> ExtentsOf(std::uint32_t shard) const {
    return extents_.subspan(shards_[shard].first_extent, shards_[shard].extents);
  }

 private:
  explicit ShardPlan(SealedFile file) : file_(std::move(file)), header_(file_.header<shard_plan_format::Header>()) {}
  Status Read(const std::string& corpus);

  SealedFile file_;
  shard_plan_format::Header header_;
  std::span<const shard_plan_format::SplitEntry> splits_;
  std::span<const shard_plan_format::Shard> shards_;
  std::span<const shard_plan_format::Extent> extents_;
};

}  // namespace still::shards
