// Writes one shard file. A document's sequences follow its BeginDocument:
//   BeginDocument(d0); AddSequence(...); AddSequence(...); BeginDocument(d1); AddSequence(...); ... Commit();
// A document without sequences leaves no trace; one that spans two shards begins in each of them. The same calls make
// the same bytes. The shard is held in memory until Commit. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/digest.h"
#include "common/status.h"
#include "common/storage/files.h"
#include "common/storage/staging.h"
#include "shards/corpus/shard_format.h"
#include "shards/text/tokens.h"

namespace still::shards {

class ShardWriter {
 public:
  // Creates the temporary file at once, so that a full or forbidden directory fails before work is done.
  static Result<std::unique_ptr<ShardWriter>> Create(const std::string& path, ShardInfo info);
  // As AtomicFile::CreateNew.
  static Result<std::unique_ptr<ShardWriter>> CreateNew(const std::string& path, const std::string& staged_as,
                                                        ShardInfo info);

  Status BeginDocument(const DocumentInfo& document);
  // Tokens of one sequence, [CLS] and [SEP] included. INVALID_ARGUMENT for an empty one, or an id outside the
  // vocabulary.
  Status AddSequence(TokenSpan tokens);

  // Writes, syncs and renames. Returns the shard's digest, which its footer repeats: the SHA-256 of all before the
  // footer. The writer may only be destroyed afterwards.
  Result<Sha256Digest> Commit();
  // What the footer says, once Commit has been called, whatever came of it.
  const Sha256Digest& digest() const { return digest_; }

  std::uint64_t sequences() const { return sequence_documents_.size(); }
  std::uint64_t tokens() const { return tokens_.size(); }

 private:
  ShardWriter(std::unique_ptr<AtomicFile> file, std::string path, ShardInfo info);
  std::string Image(Sha256Digest* digest) const;

  std::unique_ptr<AtomicFile> file_;
  std::string path_;
  ShardInfo info_;
  Sha256Digest digest_{};
  std::vector<TokenId> tokens_;
  std::vector<std::uint64_t> offsets_ = {0};
  std::vector<std::uint32_t> sequence_documents_;
  std::vector<format::Document> documents_;
  std::string strings_;
  std::unordered_map<std::string, std::uint32_t> source_offsets_;  // into strings_
  std::vector<std::uint32_t> length_histogram_;
  std::vector<std::uint32_t> token_histogram_;
  format::Document next_document_{};
  bool begun_ = false;             // BeginDocument was called
  bool document_pending_ = false;  // next_document_ has no sequence yet
};

}  // namespace still::shards
