// The result of tokenising one input split: its documents with their tokens, in one file (docs/formats.md has its
// fields). The footer has the SHA-256 of all but the tokens, and the header has that of the tokens. So a reader that
// needs no tokens reads none, and still checks all that it reads. The file is little-endian and used in place.
//
//   header | documents | names of sources | tokens u16 | footer
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/digest.h"
#include "common/status.h"
#include "shards/corpus/sealed_file.h"
#include "shards/corpus/shard_format.h"
#include "shards/dump/wikipedia.h"
#include "shards/text/tokens.h"

namespace still::shards {

// Names the split and the corpus that a file is made for.
struct MadeFor {
  std::string corpus;       // digest of the artifact, 16 hex digits
  std::uint32_t split = 0;  // its number
  std::uint64_t input_begin = 0;
  std::uint64_t input_bytes = 0;

  bool operator==(const MadeFor&) const = default;
};

namespace split_format {

inline constexpr SealedFormat kFormat = {.noun = "input split",
                                         .magic = {'S', 'T', 'I', 'L', 'S', 'P', 'L', 'T'},
                                         .end_magic = {'S', 'P', 'L', 'T', '.', 'E', 'N', 'D'},
                                         .version = 1};

struct Header {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t split;
  std::array<char, 16> corpus;
  std::uint64_t input_begin;
  std::uint64_t input_bytes;
  std::uint64_t documents;
  std::uint64_t source_bytes;
  std::uint64_t tokens;
  std::uint64_t books;
  WikipediaCounts wikipedia;
  DumpJoin join;
  Sha256Digest tokens_sha256;
};
static_assert(sizeof(Header) == 216 && std::is_trivially_copyable_v<Header>);

struct Document {
  std::uint64_t byte_offset;  // in the text of the split
  std::uint64_t page_id;
  std::uint64_t text_bytes;
  std::uint64_t first_token;
  std::uint64_t tokens;
  std::uint32_t source_offset;
  std::uint32_t source_bytes;
  Sha256Digest text_sha256;
  Sha1Digest sha1;
  std::uint32_t reserved;
};
static_assert(sizeof(Document) == 104);

}  // namespace split_format

// Collects the documents of a split in memory, which takes some megabytes. One thread.
class SplitBuilder {
 public:
  void AddDocument(const DocumentInfo& document, std::string_view text, std::span<const TokenId> tokens);
  void AddBook() { ++header_.books; }
  void SetDump(const WikipediaSplit& split);

  // Simulates a faulty machine: changes the lowest bit of the first token.
  void FlipLowestBit() { tokens_.front() ^= 1; }

  std::uint64_t documents() const { return documents_.size(); }
  std::uint64_t tokens() const { return tokens_.size(); }
  // Returns the bytes of the file and sets the digest of its footer (hex). Called once.
  std::string Image(const MadeFor& made_for, std::string* digest);

 private:
  split_format::Header header_{};
  std::vector<split_format::Document> documents_;
  std::string sources_;
  std::vector<TokenId> tokens_;
};

// A split file, opened. One thread.
class SplitFile {
 public:
  // Checks all but the tokens. NOT_FOUND when the file is missing, DATA_LOSS when it is damaged or was made for another
  // split or corpus.
  static Result<std::unique_ptr<SplitFile>> Open(const std::string& path, const MadeFor& made_for);

  const Sha256Digest& sha256() const { return file_.sha256(); }
  const split_format::Header& header() const { return header_; }
  std::span<const split_format::Document> documents() const { return documents_; }
  std::string_view SourceOf(const split_format::Document& document) const {
    return sources_.substr(document.source_offset, document.source_bytes);
  }
  // Returns the tokens of all documents. DATA_LOSS when they fail their checksum, which is compared by the first call.
  Result<TokenSpan> Tokens();

 private:
  explicit SplitFile(SealedFile file) : file_(std::move(file)), header_(file_.header<split_format::Header>()) {}
  Status Read(const MadeFor& made_for);

  SealedFile file_;
  split_format::Header header_;
  std::span<const split_format::Document> documents_;
  std::string_view sources_;
  TokenSpan tokens_;
  bool tokens_checked_ = false;
};

}  // namespace still::shards
