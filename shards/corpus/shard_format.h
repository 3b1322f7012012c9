// The layout of a shard on disk (docs/formats.md draws it). Numbers are little-endian. Sections start at multiples of
// 64 bytes, so that a map of the file is used in place. The footer is written last: a file without one is not a shard.
//
// clang-format off
//   header | tokens u16 | offsets u64[n+1] | sequence -> document u32[n] | documents | strings
//          | length histogram u32 | token histogram u32 | CRC-32C u32 of each 64 KiB block before | footer
// clang-format on
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "common/digest.h"
#include "shards/corpus/corpus_view.h"
#include "shards/text/tokens.h"

namespace still::shards {

// The corpus that a shard belongs to, and its place in it.
struct ShardInfo {
  std::string corpus_fingerprint;     // digest of the corpus artifact, 16 hex digits
  std::string tokenizer_fingerprint;  // at most 32 characters
  std::uint32_t shard = 0;            // number within its split
  Split split = Split::kTrain;
  std::uint32_t vocabulary_size = 0;
  SpecialTokens special;
};

// The origin of a document.
struct DocumentInfo {
  std::string source;             // file name
  std::uint64_t byte_offset = 0;  // in the (decompressed) source
  std::uint64_t page_id = 0;      // 0 for a book
  Sha1Digest sha1{};              // of the revision or text as in the source
};

namespace format {

inline constexpr std::array<char, 8> kMagic = {'S', 'T', 'I', 'L', 'S', 'H', 'R', 'D'};
inline constexpr std::array<char, 8> kEndMagic = {'S', 'H', 'R', 'D', '.', 'E', 'N', 'D'};
inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::size_t kAlignment = 64;
inline constexpr std::size_t kBlockBytes = 64 * 1024;

struct Header {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t shard;
  std::uint32_t split;  // 0 train, 1 held-out
  std::uint32_t vocabulary_size;
  std::uint64_t sequences;
  std::uint64_t tokens;
  std::uint64_t documents;
  std::array<std::uint16_t, 5> special;  // pad, unknown, classify, separator, mask
  std::array<std::uint8_t, 6> reserved;
  std::array<char, 32> corpus_fingerprint;  // padded with zeros
  std::array<char, 32> tokenizer_fingerprint;
};
static_assert(sizeof(Header) == 128);

struct Document {
  std::uint64_t byte_offset;
  std::uint64_t page_id;
  std::uint32_t source_offset;  // into strings
  std::uint32_t source_bytes;
  Sha1Digest sha1;
  std::uint32_t reserved;
};
static_assert(sizeof(Document) == 48);

enum SectionId : std::size_t {
  kTokens,
  kOffsets,
  kSequenceDocuments,
  kDocuments,
  kStrings,
  kLengthHistogram,
  kTokenHistogram,
  kBlockChecksums,
  kSections,
};

struct Section {
  std::uint64_t offset;
  std::uint64_t bytes;
};

struct Footer {
  std::array<Section, kSections> sections;
  Sha256Digest sha256;             // of everything before the footer: the shard's digest
  std::uint32_t checksums_crc32c;  // of the block checksums
  std::uint32_t footer_crc32c;     // of the footer up to here
  std::array<char, 8> end_magic;
};
static_assert(sizeof(Footer) == 176);

constexpr std::uint64_t AlignUp(std::uint64_t offset) { return (offset + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace format
}  // namespace still::shards
