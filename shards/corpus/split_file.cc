#include "shards/corpus/split_file.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "common/bytes.h"
#include "common/check.h"

namespace still::shards {

using split_format::Document;
using split_format::Header;

void SplitBuilder::AddDocument(const DocumentInfo& document, std::string_view text, std::span<const TokenId> tokens) {
  const auto source_bytes = static_cast<std::uint32_t>(document.source.size());
  // A dump is the source of all its pages.
  if (documents_.empty() || std::string_view(sources_).substr(documents_.back().source_offset) != document.source) {
    STILL_CHECK(sources_.size() + document.source.size() <= std::numeric_limits<std::uint32_t>::max(),
                "the names of a few megabytes of files");
    sources_ += document.source;
  }
  documents_.push_back({.byte_offset = document.byte_offset,
                        .page_id = document.page_id,
                        .text_bytes = text.size(),
                        .first_token = tokens_.size(),
                        .tokens = tokens.size(),
                        .source_offset = static_cast<std::uint32_t>(sources_.size() - source_bytes),
                        .source_bytes = source_bytes,
                        .text_sha256 = Sha256Of(text),
                        .sha1 = document.sha1,
                        .reserved = 0});
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
}

void SplitBuilder::SetDump(const WikipediaSplit& split) {
  header_.wikipedia = split.counts;
  header_.join = split.join;
}

std::string SplitBuilder::Image(const MadeFor& made_for, std::string* digest) {
  STILL_CHECK(made_for.corpus.size() == header_.corpus.size(), made_for.corpus);
  const auto tokens = std::as_bytes(std::span(tokens_));
  header_.magic = split_format::kFormat.magic;
  header_.version = split_format::kFormat.version;
  header_.split = made_for.split;
  std::copy(made_for.corpus.begin(), made_for.corpus.end(), header_.corpus.begin());
  header_.input_begin = made_for.input_begin;
  header_.input_bytes = made_for.input_bytes;
  header_.documents = documents_.size();
  sources_.resize((sources_.size() + 7) / 8 * 8);  // the tokens are read in place
  header_.source_bytes = sources_.size();
  header_.tokens = tokens_.size();
  header_.tokens_sha256 = Sha256Of(tokens);
  std::string image(AsText(AsBytes(header_)));
  image += AsText(std::as_bytes(std::span(documents_)));
  image += sources_;
  const SealedFooter footer{.sha256 = Sha256Of(image), .end_magic = split_format::kFormat.end_magic};
  *digest = Hex(footer.sha256);
  image += AsText(tokens);
  image += AsText(AsBytes(footer));
  return image;
}

Result<std::unique_ptr<SplitFile>> SplitFile::Open(const std::string& path, const MadeFor& made_for) {
  STILL_ASSIGN_OR_RETURN(SealedFile file, SealedFile::Open(path, split_format::kFormat, sizeof(Header)));
  std::unique_ptr<SplitFile> split(new SplitFile(std::move(file)));
  STILL_RETURN_IF_ERROR(split->Read(made_for));
  return split;
}

Status SplitFile::Read(const MadeFor& made_for) {
  const auto bytes = file_.bytes();
  // The counts must add up to the size of the file. Each is checked before it could make a product wrap around.
  std::uint64_t left = bytes.size() - sizeof(Header);
  const auto take = [&left](std::uint64_t count, std::uint64_t bytes_each) {
    if (count > left / bytes_each) return false;
    left -= count * bytes_each;
    return true;
  };
  if (!take(header_.documents, sizeof(Document)) || !take(header_.source_bytes, 1) ||
      !take(header_.tokens, sizeof(TokenId)) || left != 0) {
    return file_.Damaged("its size is not what its header says");
  }
  const std::uint64_t sources_at = sizeof(Header) + header_.documents * sizeof(Document);
  const std::uint64_t tokens_at = sources_at + header_.source_bytes;
  if (Sha256Of(bytes.first(tokens_at)) != sha256()) return file_.Damaged("its documents fail their checksum");
  documents_ = {reinterpret_cast<const Document*>(bytes.data() + sizeof(Header)), header_.documents};
  sources_ = AsText(bytes.subspan(sources_at, header_.source_bytes));
  tokens_ = {reinterpret_cast<const TokenId*>(bytes.data() + tokens_at), header_.tokens};
  const MadeFor found = {.corpus = {header_.corpus.begin(), header_.corpus.end()},
                         .split = header_.split,
                         .input_begin = header_.input_begin,
                         .input_bytes = header_.input_bytes};
  return found == made_for ? Ok() : file_.Damaged("it was made for another split or corpus");
}

Result<TokenSpan> SplitFile::Tokens() {
  if (!tokens_checked_ && Sha256Of(std::as_bytes(tokens_)) != header_.tokens_sha256) {
    return file_.Damaged("its tokens fail their checksum");
  }
  tokens_checked_ = true;
  return tokens_;
}

}  // namespace still::shards
