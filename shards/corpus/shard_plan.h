// Which sequence of which document goes to which shard: what is decided about a corpus by looking at all of it, once.
// Duplicates are dropped in input order, documents are split into training and held-out, and their sequences fill one
// shard of their split after the other. Little-endian, used in place (docs/formats.md):
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
#include "shards/corpus/corpus_options.h"
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
  std::uint64_t text_begin;  // byte of the source at which its text begins
};

// Those of training first.
struct Shard {
  std::uint64_t first_extent;
  std::uint32_t extents;
  std::uint32_t sequences;
};

// Sequences of a document that follow each other in a shard.
struct Extent {
  std::uint32_t split;
  std::uint32_t document;
  std::uint32_t first_sequence;
  std::uint32_t sequences;
};

}  // namespace shard_plan_format

// How documents are cut: [CLS], up to max - 2 tokens, [SEP], and again; a rest that makes less than min is dropped.
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

// The file's bytes and digest (hex). `open` gives one split after another; `on_split` is asked after each.
// INVALID_ARGUMENT when the inputs give no sequences; DATA_LOSS when splits of a dump do not meet.
Result<std::string> MakeShardPlan(const CorpusOptions& options, const std::string& corpus,
                                  const std::vector<InputSplit>& input,
                                  const std::function<Result<std::unique_ptr<SplitFile>>(std::uint32_t)>& open,
                                  const std::function<Status()>& on_split, std::string* digest);

// Thread-safe.
class ShardPlan {
 public:
  // DATA_LOSS when the file is damaged or was made for another corpus. Reads all of it.
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
