// Writes one shard file. The sequences of a document follow its BeginDocument:
//   BeginDocument(d0); AddSequence(...); AddSequence(...); BeginDocument(d1); AddSequence(...); ... Commit();
// A document without sequences leaves no trace. A document that spans two shards begins in each of them. The same calls
// make the same bytes.
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
#include "shards/sharded_builder.h"
#include "shards/text/tokens.h"

namespace still::shards {

// Holds the shard in memory until Commit. Destroyed without Commit, it leaves no file. One thread.
class ShardWriter {
 public:
  // Creates the temporary file at once, so that a full or forbidden directory fails before work is done.
  // Takes no other shard's place: see AtomicFile::CreateNew.
  static Result<std::unique_ptr<ShardWriter>> Create(const ShardPlace& place, ShardInfo info);

  Status BeginDocument(const DocumentInfo& document);
  // Adds one sequence, [CLS] and [SEP] included. INVALID_ARGUMENT when it is empty or has more than 65,535 tokens, when
  // an id is outside the vocabulary, or when the shard would hold 2^32 tokens.
  Status AddSequence(TokenSpan tokens);

  // Writes, syncs and renames. Returns the digest of the shard, the SHA-256 of all bytes before the footer. The writer
  // may only be destroyed afterwards.
  Result<Sha256Digest> Commit();
  // Returns the digest that Commit computed, even when Commit failed.
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
