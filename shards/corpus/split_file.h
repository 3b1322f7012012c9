// What tokenising a split of the input gives: its documents with their tokens, in one file (docs/formats.md). The
// digest of a file, in its footer, is the SHA-256 of all but the tokens, and that holds the SHA-256 of the tokens: who
// needs no tokens reads none, and checks what it reads. Little-endian, used in place.
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

// A file that one process makes of a corpus under construction, and who it is made for.
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

// Collects a split. In memory: some megabytes.
class SplitBuilder {
 public:
  void AddDocument(const DocumentInfo& document, std::string_view text, std::span<const TokenId> tokens);
  void AddBook() { ++header_.books; }
  void SetDump(const WikipediaSplit& split);

  // What a faulty machine may do: a token that is another one.
  void FlipLowestBit() { tokens_.front() ^= 1; }

  std::uint64_t documents() const { return documents_.size(); }
  std::uint64_t tokens() const { return tokens_.size(); }
  // The file's bytes. `digest`: as in the footer, hex.
  std::string Image(const MadeFor& made_for, std::string* digest);

 private:
  split_format::Header header_{};
  std::vector<split_format::Document> documents_;
  std::string sources_;
  std::vector<TokenId> tokens_;
};

// Reads a split in place. One thread.
class SplitFile {
 public:
  // DATA_LOSS when the file is damaged (its tokens aside) or was made for something else.
  static Result<std::unique_ptr<SplitFile>> Open(const std::string& path, const MadeFor& made_for);

  const Sha256Digest& sha256() const { return file_.sha256(); }
  const split_format::Header& header() const { return header_; }
  std::span<const split_format::Document> documents() const { return documents_; }
  std::string_view SourceOf(const split_format::Document& document) const {
    return sources_.substr(document.source_offset, document.source_bytes);
  }
  // DATA_LOSS when they are not those that were written. Looked at once.
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
