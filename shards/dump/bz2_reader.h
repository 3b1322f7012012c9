// Decompression of .bz2 files block by block, from any place in them. The only owner of bzip2's library.
//
// A file is streams, one after another (Wikipedia's multistream dumps have thousands). A stream begins at a byte with
// "BZh1" to "BZh9"; blocks follow, each at any bit: a magic of 48 bits, the CRC of its text, its data; then another
// magic, the CRC of all blocks combined, and zeros up to the next byte. A block needs nothing of those before it, and
// ends where the next magic begins. So a reader may begin at the first magic after any byte: see Bz2Join.
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

// What has been read of a file from one place to another, for those who read before and after it to compare with.
struct Bz2Join {
  std::uint64_t first_bit = 0;  // of the first block's magic; 0 for the beginning of the file
  std::uint64_t last_bit = 0;   // of the magic of the block after, or the file's end
  std::uint64_t text_bytes = 0;
  // CRCs are combined over blocks from 0; whoever knows the value before turns it by the number of blocks.
  struct Blocks {
    std::uint32_t count = 0;
    std::uint32_t crc = 0;

    void Add(Blocks more);
    bool operator==(const Blocks&) const = default;
  };
  Blocks tail;              // since the last end of a stream, or all
  std::uint32_t ended = 0;  // 1: a stream ended, that was begun before: `head` are its blocks here, this is its CRC
  Blocks head;
  std::uint32_t stream_crc = 0;

  bool operator==(const Bz2Join&) const = default;
};

// The failure of a file at one of its compressed bytes.
Status Bz2Damaged(const std::string& path, std::uint64_t offset, std::uint64_t size, std::string_view what);

// One thread. Memory is bounded by the text of a block, at most 47 MB. DATA_LOSS, naming file and place, where the
// compressed bytes are cut, changed, or followed by anything that is not another stream.
class Bz2Reader {
 public:
  static Result<std::unique_ptr<Bz2Reader>> Open(const std::string& path);
  // Stands at the first block whose magic begins in bytes [begin, end) and that can be decompressed; at the end of the
  // file when there is none. Whether that is a block, and the first, shows when its join meets that of those before:
  // data may contain a magic by chance, and a damaged block is passed over.
  static Result<std::unique_ptr<Bz2Reader>> OpenAt(const std::string& path, std::uint64_t begin, std::uint64_t end);

  // Replaces `text` by the next block's; false, and nothing, at the end of the file. The checksum has been compared.
  Result<bool> Next(std::string* text);

  // Where the next block begins.
  std::uint64_t next_bit() const { return join_.last_bit; }
  bool AtEnd() const { return next_bit() == size() * 8; }
  // What has been read so far.
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
  // `text`: its memory is used again.
  Result<Block> Decompress(std::uint64_t first_bit, std::string text) const;
  Result<bool> DecompressBetween(std::uint64_t first_bit, std::uint64_t last_bit, std::string* text) const;
  // From what follows a block to the next one.
  Status Advance(std::uint64_t bit);
  Result<std::uint64_t> EndStream(std::uint64_t bit);
  Status Damaged(std::uint64_t offset, std::string_view what) const;

  MappedFile file_;
  Bz2Join join_;
  bool stream_known_ = true;    // all blocks of the stream so far are in join_.tail
  std::optional<Block> first_;  // OpenAt has it already
};

}  // namespace still::shards
