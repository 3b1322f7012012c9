// Reads one shard in place. Open checks all but the tokens, which are by far the most bytes. A block of tokens is
// checked when it is first read. So every byte that a caller sees has passed its checksum.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "common/digest.h"
#include "common/status.h"
#include "common/storage/files.h"
#include "common/storage/mapped_file.h"
#include "shards/corpus/shard_format.h"
#include "shards/text/tokens.h"

namespace still::shards {

// One shard, mapped. Thread-safe.
class ShardReader {
 public:
  // NOT_FOUND when there is no such file. DATA_LOSS, naming file, block and byte offset, when it is not a whole and
  // undamaged shard.
  static Result<std::unique_ptr<ShardReader>> Open(const std::string& path);

  const std::string& path() const { return file_.path(); }
  const ShardInfo& info() const { return info_; }
  const Sha256Digest& sha256() const { return sha256_; }
  std::uint64_t sequences() const { return sequence_documents_.size(); }
  std::uint64_t tokens() const { return tokens_.size(); }
  std::uint64_t documents() const { return documents_.size(); }

  // Returns the tokens of a sequence as a view into the map, valid as long as the reader. DATA_LOSS when its blocks are
  // damaged.
  Result<TokenSpan> Sequence(std::uint64_t index) const;
  std::uint32_t Length(std::uint64_t index) const;
  std::uint32_t DocumentOf(std::uint64_t sequence) const;
  DocumentInfo Document(std::uint64_t index) const;

  // Return how many sequences have each length, and how often each vocabulary id occurs.
  std::span<const std::uint32_t> length_histogram() const { return length_histogram_; }
  std::span<const std::uint32_t> token_histogram() const { return token_histogram_; }

  // Reads every byte and compares all block checksums and the SHA-256. DATA_LOSS at the first difference.
  Status Verify() const;

 private:
  explicit ShardReader(MappedFile file) : file_(std::move(file)) {}
  Status ReadFooter();
  Status ReadHeader();
  Status CheckAllButTokens() const;
  Status CheckReferences() const;
  // Checks the blocks that hold bytes [first, last) of the file, each once.
  Status CheckBlocks(std::uint64_t first, std::uint64_t last) const;
  Status CheckBlock(std::uint64_t block) const;
  Status Damaged(std::string_view what) const;

  MappedFile file_;
  ShardInfo info_;
  Sha256Digest sha256_{};
  std::array<format::Section, format::kSections> sections_{};
  std::uint64_t checked_bytes_ = 0;  // the block checksums cover [0, checked_bytes_)
  TokenSpan tokens_;
  std::span<const std::uint64_t> offsets_;
  std::span<const std::uint32_t> sequence_documents_;
  std::span<const format::Document> documents_;
  std::span<const char> strings_;
  std::span<const std::uint32_t> length_histogram_;
  std::span<const std::uint32_t> token_histogram_;
  std::span<const std::uint32_t> checksums_;
  mutable std::unique_ptr<std::atomic<bool>[]> block_checked_;
};

}  // namespace still::shards
