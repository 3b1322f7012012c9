#include "shards/corpus/shard_reader.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

#include "common/bytes.h"
#include "common/check.h"
#include "common/crc32c.h"

namespace still::shards {
namespace {

using format::Footer;
using format::Header;

std::string ReadFingerprint(const std::array<char, 32>& from) {
  return {from.begin(), std::find(from.begin(), from.end(), '\0')};
}

}  // namespace

Result<std::unique_ptr<ShardReader>> ShardReader::Open(const std::string& path) {
  STILL_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  std::unique_ptr<ShardReader> reader(new ShardReader(std::move(file)));
  STILL_RETURN_IF_ERROR(reader->ReadFooter());
  STILL_RETURN_IF_ERROR(reader->ReadHeader());
  STILL_RETURN_IF_ERROR(reader->CheckAllButTokens());
  STILL_RETURN_IF_ERROR(reader->CheckReferences());
  return reader;
}

Status ShardReader::Damaged(std::string_view what) const {
  const std::string::size_type slash = path().rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path().substr(0, slash);
  return Error(Code::kDataLoss, "shard {}: {}; rebuild the corpus: remove {} and run again", path(), what, directory);
}

Status ShardReader::ReadFooter() {
  const auto bytes = file_.bytes();
  if (bytes.size() < sizeof(format::kMagic) ||
      !std::equal(format::kMagic.begin(), format::kMagic.end(), reinterpret_cast<const char*>(bytes.data()))) {
    return Damaged("it does not begin with the magic of a shard");
  }
  if (bytes.size() < sizeof(Header) + sizeof(Footer)) {
    return Damaged(fmt::format("truncated: {} bytes are fewer than a header and a footer", bytes.size()));
  }
  const std::uint64_t footer_offset = bytes.size() - sizeof(Footer);
  const auto footer = LoadLittleEndian<Footer>(bytes.data() + footer_offset);
  if (footer.end_magic != format::kEndMagic) {
    return Damaged(fmt::format("truncated: no footer at byte {}", footer_offset));
  }
  if (Crc32c(AsBytes(footer).first(offsetof(Footer, footer_crc32c))) != footer.footer_crc32c) {
    return Damaged(fmt::format("the footer at byte {} fails its checksum", footer_offset));
  }
  sections_ = footer.sections;
  sha256_ = footer.sha256;
  checked_bytes_ = sections_[format::kBlockChecksums].offset;
  for (std::size_t id = 0; id < format::kSections; ++id) {
    const auto [offset, size] = sections_[id];
    const std::uint64_t end = id == format::kBlockChecksums ? footer_offset : checked_bytes_;
    if (offset < sizeof(Header) || offset % format::kAlignment != 0 || offset > end || size > end - offset) {
      return Damaged(
          fmt::format("section {} of {} bytes at byte {} is misplaced in {} bytes", id, size, offset, bytes.size()));
    }
  }

  const format::Section& at = sections_[format::kBlockChecksums];
  const std::uint64_t blocks = (checked_bytes_ + format::kBlockBytes - 1) / format::kBlockBytes;
  if (at.bytes != blocks * sizeof(std::uint32_t) ||
      Crc32c(bytes.subspan(at.offset, at.bytes)) != footer.checksums_crc32c) {
    return Damaged(fmt::format("the block checksums at byte {} fail their own", at.offset));
  }
  checksums_ = {reinterpret_cast<const std::uint32_t*>(bytes.data() + at.offset), blocks};
  block_checked_ = std::make_unique<std::atomic<bool>[]>(blocks);
  return Ok();
}

Status ShardReader::ReadHeader() {
  // The version decides how the rest is read, so it is compared before the checksum.
  const auto header = LoadLittleEndian<Header>(file_.bytes().data());
  if (header.version != format::kVersion) {
    return Damaged(fmt::format("format version {}, this program reads {}", header.version, format::kVersion));
  }
  STILL_RETURN_IF_ERROR(CheckBlocks(0, sizeof(Header)));
  info_ = {.corpus_fingerprint = ReadFingerprint(header.corpus_fingerprint),
           .tokenizer_fingerprint = ReadFingerprint(header.tokenizer_fingerprint),
           .shard = header.shard,
           .split = header.split == 0 ? Split::kTrain : Split::kHeldout,
           .vocabulary_size = header.vocabulary_size,
           .special = {header.special[0], header.special[1], header.special[2], header.special[3], header.special[4]}};

  const auto view = [this]<typename T>(format::SectionId id, std::uint64_t count, std::span<const T>* out) {
    if (sections_[id].bytes != count * sizeof(T)) return false;
    *out = {reinterpret_cast<const T*>(file_.bytes().data() + sections_[id].offset), count};
    return true;
  };
  const std::uint64_t lengths = sections_[format::kLengthHistogram].bytes / sizeof(std::uint32_t);
  if (!view(format::kTokens, header.tokens, &tokens_) || !view(format::kOffsets, header.sequences + 1, &offsets_) ||
      !view(format::kSequenceDocuments, header.sequences, &sequence_documents_) ||
      !view(format::kDocuments, header.documents, &documents_) ||
      !view(format::kStrings, sections_[format::kStrings].bytes, &strings_) ||
      !view(format::kLengthHistogram, lengths, &length_histogram_) ||
      !view(format::kTokenHistogram, header.vocabulary_size, &token_histogram_)) {
    return Damaged("the counts in its header and the sizes of its sections disagree");
  }
  return Ok();
}

Status ShardReader::CheckAllButTokens() const {
  const format::Section& tokens = sections_[format::kTokens];
  STILL_RETURN_IF_ERROR(CheckBlocks(0, tokens.offset));
  return CheckBlocks(tokens.offset + tokens.bytes, checked_bytes_);
}

// Checks all indices and offsets once, so that later accesses need no range checks.
Status ShardReader::CheckReferences() const {
  if (offsets_.front() != 0 || offsets_.back() != tokens_.size() || !std::is_sorted(offsets_.begin(), offsets_.end())) {
    return Damaged("the sequence offsets do not ascend from 0 to the number of tokens");
  }
  for (const std::uint32_t document : sequence_documents_) {
    if (document >= documents_.size()) return Damaged(fmt::format("a sequence names missing document {}", document));
  }
  for (const format::Document& document : documents_) {
    if (std::uint64_t{document.source_offset} + document.source_bytes > strings_.size()) {
      return Damaged("a document's source name lies outside the strings");
    }
  }
  return Ok();
}

Status ShardReader::CheckBlocks(std::uint64_t first, std::uint64_t last) const {
  for (std::uint64_t block = first / format::kBlockBytes; block * format::kBlockBytes < last; ++block) {
    // Relaxed: the flag guards no other data, and two threads that check one block at once agree.
    if (block_checked_[block].load(std::memory_order_relaxed)) continue;
    STILL_RETURN_IF_ERROR(CheckBlock(block));
    block_checked_[block].store(true, std::memory_order_relaxed);
  }
  return Ok();
}

Status ShardReader::CheckBlock(std::uint64_t block) const {
  const std::uint64_t offset = block * format::kBlockBytes;
  const std::uint64_t size = std::min<std::uint64_t>(format::kBlockBytes, checked_bytes_ - offset);
  if (Crc32c(file_.bytes().subspan(offset, size)) == checksums_[block]) return Ok();
  return Damaged(fmt::format("block {} (bytes {} to {}) fails its checksum", block, offset, offset + size));
}

Result<TokenSpan> ShardReader::Sequence(std::uint64_t index) const {
  STILL_CHECK(index < sequences(), path());
  const std::uint64_t first = offsets_[index];
  const std::uint64_t last = offsets_[index + 1];
  const std::uint64_t base = sections_[format::kTokens].offset;
  STILL_RETURN_IF_ERROR(CheckBlocks(base + first * sizeof(TokenId), base + last * sizeof(TokenId)));
  return tokens_.subspan(first, last - first);
}

std::uint32_t ShardReader::Length(std::uint64_t index) const {
  STILL_CHECK(index < sequences(), path());
  return static_cast<std::uint32_t>(offsets_[index + 1] - offsets_[index]);
}

std::uint32_t ShardReader::DocumentOf(std::uint64_t sequence) const {
  STILL_CHECK(sequence < sequences(), path());
  return sequence_documents_[sequence];
}

DocumentInfo ShardReader::Document(std::uint64_t index) const {
  STILL_CHECK(index < documents(), path());
  const format::Document& document = documents_[index];
  return {.source = std::string(strings_.data() + document.source_offset, document.source_bytes),
          .byte_offset = document.byte_offset,
          .page_id = document.page_id,
          .sha1 = document.sha1};
}

Status ShardReader::Verify() const {
  const auto bytes = file_.bytes();
  for (std::uint64_t block = 0; block < checksums_.size(); ++block) STILL_RETURN_IF_ERROR(CheckBlock(block));
  if (Sha256Of(bytes.first(bytes.size() - sizeof(Footer))) != sha256_) {
    return Damaged("its bytes do not have the SHA-256 in its footer");
  }
  return Ok();
}

}  // namespace still::shards
