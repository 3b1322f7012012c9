#include "shards/corpus/shard_writer.h"

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "common/bytes.h"
#include "common/check.h"
#include "common/crc32c.h"
#include "common/faults/fault_point.h"

namespace still::shards {
namespace {

using format::Footer;
using format::Header;

constexpr std::uint64_t kMaxU32 = std::numeric_limits<std::uint32_t>::max();

void CopyFingerprint(const std::string& from, std::array<char, 32>* to) {
  STILL_CHECK(from.size() <= to->size(), "a fingerprint has at most 32 characters: " + from);
  std::copy(from.begin(), from.end(), to->begin());
}

Header MakeHeader(const ShardInfo& info) {
  Header header{};
  header.magic = format::kMagic;
  header.version = format::kVersion;
  header.shard = info.shard;
  header.split = info.split == Split::kTrain ? 0 : 1;
  header.vocabulary_size = info.vocabulary_size;
  header.special = {info.special.pad, info.special.unknown, info.special.classify, info.special.separator,
                    info.special.mask};
  CopyFingerprint(info.corpus_fingerprint, &header.corpus_fingerprint);
  CopyFingerprint(info.tokenizer_fingerprint, &header.tokenizer_fingerprint);
  return header;
}

void Pad(std::string* image) { image->resize(format::AlignUp(image->size()), '\0'); }

template <typename T>
void AppendSection(const T& values, format::SectionId id, Footer* footer, std::string* image) {
  const auto bytes = std::as_bytes(std::span(values));
  Pad(image);
  footer->sections[id] = {image->size(), bytes.size()};
  image->append(AsText(bytes));
}

}  // namespace

ShardWriter::ShardWriter(std::unique_ptr<AtomicFile> file, std::string path, ShardInfo info)
    : file_(std::move(file)), path_(std::move(path)), info_(std::move(info)), token_histogram_(info_.vocabulary_size) {}

Result<std::unique_ptr<ShardWriter>> ShardWriter::Create(const ShardPlace& place, ShardInfo info) {
  STILL_ASSIGN_OR_RETURN(auto file, AtomicFile::CreateNew(place.path, place.staged_as));
  return std::unique_ptr<ShardWriter>(new ShardWriter(std::move(file), place.path, std::move(info)));
}

Status ShardWriter::BeginDocument(const DocumentInfo& document) {
  const auto [known, inserted] = source_offsets_.try_emplace(document.source, strings_.size());
  if (inserted) {
    if (strings_.size() + document.source.size() > kMaxU32) {
      return Error(Code::kInvalidArgument, "{}: the names of its sources exceed 4 GiB; lower sequences_per_shard",
                   path_);
    }
    strings_ += document.source;
  }
  next_document_ = {.byte_offset = document.byte_offset,
                    .page_id = document.page_id,
                    .source_offset = known->second,
                    .source_bytes = static_cast<std::uint32_t>(document.source.size()),
                    .sha1 = document.sha1,
                    .reserved = 0};
  begun_ = true;
  document_pending_ = true;
  return Ok();
}

Status ShardWriter::AddSequence(TokenSpan tokens) {
  STILL_CHECK(begun_, "BeginDocument comes before its sequences");
  if (tokens.empty() || tokens.size() > std::numeric_limits<std::uint16_t>::max()) {
    return Error(Code::kInvalidArgument, "{}: a sequence has 1 to 65535 tokens, not {}", path_, tokens.size());
  }
  if (tokens_.size() + tokens.size() > kMaxU32) {
    return Error(Code::kInvalidArgument, "{}: a shard holds fewer than 2^32 tokens; lower sequences_per_shard", path_);
  }
  const TokenId largest = *std::max_element(tokens.begin(), tokens.end());
  if (largest >= info_.vocabulary_size) {
    return Error(Code::kInvalidArgument, "{}: token {} is outside the vocabulary of {}", path_, largest,
                 info_.vocabulary_size);
  }
  if (document_pending_) {
    documents_.push_back(next_document_);
    document_pending_ = false;
  }
  for (TokenId token : tokens) ++token_histogram_[token];
  if (length_histogram_.size() <= tokens.size()) length_histogram_.resize(tokens.size() + 1);
  ++length_histogram_[tokens.size()];
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  offsets_.push_back(tokens_.size());
  sequence_documents_.push_back(static_cast<std::uint32_t>(documents_.size() - 1));
  return Ok();
}

std::string ShardWriter::Image(Sha256Digest* digest) const {
  Header header = MakeHeader(info_);
  header.sequences = sequences();
  header.tokens = tokens();
  header.documents = documents_.size();
  Footer footer{};
  std::string image(AsText(AsBytes(header)));
  AppendSection(tokens_, format::kTokens, &footer, &image);
  AppendSection(offsets_, format::kOffsets, &footer, &image);
  AppendSection(sequence_documents_, format::kSequenceDocuments, &footer, &image);
  AppendSection(documents_, format::kDocuments, &footer, &image);
  AppendSection(strings_, format::kStrings, &footer, &image);
  AppendSection(length_histogram_, format::kLengthHistogram, &footer, &image);
  AppendSection(token_histogram_, format::kTokenHistogram, &footer, &image);
  Pad(&image);

  std::vector<std::uint32_t> checksums;
  for (std::size_t at = 0; at < image.size(); at += format::kBlockBytes) {
    checksums.push_back(Crc32c(AsBytes(std::string_view(image).substr(at, format::kBlockBytes))));
  }
  AppendSection(checksums, format::kBlockChecksums, &footer, &image);
  Pad(&image);

  *digest = footer.sha256 = Sha256Of(image);
  footer.checksums_crc32c = Crc32c(std::as_bytes(std::span(checksums)));
  footer.footer_crc32c = Crc32c(AsBytes(footer).first(offsetof(Footer, footer_crc32c)));
  footer.end_magic = format::kEndMagic;
  image.append(AsText(AsBytes(footer)));
  return image;
}

Result<Sha256Digest> ShardWriter::Commit() {
  STILL_RETURN_IF_ERROR(file_->Append(std::string_view(Image(&digest_))));
  STILL_RETURN_IF_ERROR(FaultPoint("corpus.shard.commit"));
  STILL_RETURN_IF_ERROR(file_->Commit());
  return digest_;
}

}  // namespace still::shards
