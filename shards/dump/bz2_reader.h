// Decompresses .bz2 files block by block, from any place in them. No other file uses the library of bzip2.
//
// A file is one stream after another; Wikipedia's multistream dumps have thousands. A stream begins at a byte with
// "BZh1" to "BZh9". Blocks follow, each at any bit: a magic of 48 bits, the CRC of its text, its data. The stream ends
// with another magic, the combined CRC of all blocks, and zeros up to the next byte. A block needs nothing of those
// before it, and ends where the next magic begins. So a reader may begin at the first magic after any byte: see
// Bz2Join.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/status.h"
#include "common/storage/files.h"
#include "common/storage/mapped_file.h"

namespace still::shards {

// The range of a file that a reader read. It is compared with those of the readers before and after it.
struct Bz2Join {
  std::uint64_t first_bit = 0;  // where the magic of the first block begins; 0 for the beginning of the file
  std::uint64_t last_bit = 0;   // where the magic of the next block begins, or the file ends
  std::uint64_t text_bytes = 0;
  // The combined CRC of some blocks, as if it was 0 before them. Add() combines it with that of the blocks before.
  struct Blocks {
    std::uint32_t count = 0;
    std::uint32_t crc = 0;

    void Add(Blocks more);
    bool operator==(const Blocks&) const = default;
  };
  Blocks tail;              // the blocks since the last end of a stream, or all
  std::uint32_t ended = 0;  // 1 when a stream ended that began earlier: `head` has its blocks, `stream_crc` its CRC
  Blocks head;
  std::uint32_t stream_crc = 0;

  bool operator==(const Bz2Join&) const = default;
};

// Returns DATA_LOSS that names the file and one of its compressed bytes.
Status Bz2Damaged(const std::string& path, std::uint64_t offset, std::uint64_t size, std::string_view what);

// Reads one block after another. Memory is bounded by the text of a block, at most 47 MB. Every call gives DATA_LOSS,
// naming file and place, where the compressed bytes are cut, changed, or followed by anything but another stream. One
// thread.
class Bz2Reader {
 public:
  static Result<std::unique_ptr<Bz2Reader>> Open(const std::string& path);
  // Opens the file at the first block whose magic begins in bytes [begin, end) and that can be decompressed, or at the
  // end of the file when there is none. This is a guess: data may contain a magic by chance, and a damaged block is
  // passed over. The guess was right when the join meets that of the reader before.
  static Result<std::unique_ptr<Bz2Reader>> OpenAt(const std::string& path, std::uint64_t begin, std::uint64_t end);

  // Replaces `text` by that of the next block, whose checksum has been compared. Returns false at the end of the file;
  // `text` is then empty.
  Result<bool> Next(std::string* text);

  // Returns the bit at which the next block begins.
  std::uint64_t next_bit() const { return join_.last_bit; }
  bool AtEnd() const { return next_bit() == size() * 8; }
  // Returns what has been read so far.
  const Bz2Join& join() const { return join_; }

  std::uint64_t size() const { return file_.bytes().size(); }
  const std::string& path() const { return file_.path(); }

 private:
  struct Block {
    std::string text;
    std::uint32_t crc = 0;
    std::uint64_t end_bit = 0;
  };
  explicit Bz2Reader(MappedFile file) : file_(std::move(file)) {}
  // Decompresses the block at `first_bit`. The memory of `text` is reused.
  Result<Block> Decompress(std::uint64_t first_bit, std::string text) const;
  Result<bool> DecompressBetween(std::uint64_t first_bit, std::uint64_t last_bit, std::string* text) const;
  // Moves from the end of a block, at `bit`, to the next block.
  Status Advance(std::uint64_t bit);
  Result<std::uint64_t> EndStream(std::uint64_t bit);
  Status Damaged(std::uint64_t offset, std::string_view what) const;

  MappedFile file_;
  Bz2Join join_;
  bool stream_known_ = true;    // all blocks of the current stream so far are in join_.tail
  std::optional<Block> first_;  // the first block, when OpenAt has decompressed it
};

}  // namespace still::shards
