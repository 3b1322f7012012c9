// The teacher's soft targets on disk: one sealed database a shard, one record a (sequence, mask variant).
//
// Codecs (docs/formats.md has the bytes):
//   hidden_f16  the teacher's last hidden state, IEEE half: with the frozen head it gives every class at any
//   temperature topk        the k largest logits (half), their ids, and log sum exp(logits / T) at the spec's
//   temperature T
// A record stores the hash of the masked input it was computed from; reading with another hash is DATA_LOSS, so a
// student can never be trained on the targets of other tokens. No tensor library here: floats in, floats out.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/digest.h"
#include "common/status.h"
#include "common/storage/kv.h"
#include "shards/text/tokens.h"

namespace still::shards {

enum class TargetCodec { kHiddenF16, kTopK };

struct TargetSpec {
  TargetCodec codec = TargetCodec::kHiddenF16;
  std::uint32_t width = 0;   // hidden size, or k
  double temperature = 2.0;  // of topk's log-partition

  bool operator==(const TargetSpec&) const = default;
};

// "hidden_f16", "topk".
std::string_view CodecName(TargetCodec codec);
Result<TargetCodec> ParseCodec(std::string_view name);

// Targets of one masked sequence at `positions` positions (row-major, one row a position).
struct TargetRecord {
  std::uint64_t masked_hash = 0;
  std::uint32_t positions = 0;
  std::vector<float> hidden;         // positions x width             (hidden_f16)
  std::vector<TokenId> ids;          // positions x width, by descending logit (topk)
  std::vector<float> logits;         // positions x width             (topk)
  std::vector<float> log_partition;  // positions; at spec.temperature (topk)
};

// Record <-> bytes. Decoding checks every length and reuses the vectors of `record`. Bytes a position: 2*width, or
// 4*width + 4; a record has 16 bytes more.
std::string EncodeTarget(const TargetSpec& spec, const TargetRecord& record);
Status DecodeTarget(const TargetSpec& spec, std::string_view bytes, TargetRecord* record);

// What a sealed shard holds, kept in its properties.
struct TargetShardSummary {
  std::string digest;  // SHA-256 (hex) over all records, keys included: equal for every execution of the same shard
  std::uint64_t records = 0;
  std::uint64_t positions = 0;
  std::uint64_t bytes = 0;  // of the records

  bool operator==(const TargetShardSummary&) const = default;
};

// Where one shard's database comes to stand. Several processes may build it at once, each under a name of its own.
struct TargetShardPlace {
  std::string path;            // sealed
  std::string staged_as;       // as for StagedDirectory: while it is written
  std::string committed_path;  // where another process may have moved what stood at `path`; empty: nowhere
};

// Writes one shard's database; nothing stands under `path` before Seal. One thread.
class TargetWriter {
 public:
  static Result<std::unique_ptr<TargetWriter>> Create(const TargetShardPlace& place, const TargetSpec& spec);
  static Result<std::unique_ptr<TargetWriter>> Create(const std::string& path, const TargetSpec& spec) {
    return Create({.path = path, .staged_as = path, .committed_path = ""}, spec);
  }
  // In ascending (sequence within the shard, variant). DATA_LOSS when a value is not finite or does not fit a half.
  Status Append(std::uint32_t sequence, std::uint32_t variant, const TargetRecord& record);
  // Returns the digest of TargetShardSummary. The first process to seal a shard wins; what the others computed must be
  // the same, whose database goes: else DATA_LOSS, because two executions of the same work differed.
  Result<std::string> Seal(std::string_view identity);
  // What was computed, once Seal has been called.
  const std::string& digest() const { return summary_.digest; }
  std::uint64_t bytes() const { return summary_.bytes; }
  std::uint64_t positions() const { return summary_.positions; }

 private:
  TargetWriter(std::unique_ptr<SealedKvWriter> kv, TargetShardPlace place, const TargetSpec& spec)
      : kv_(std::move(kv)), place_(std::move(place)), spec_(spec) {}

  std::unique_ptr<SealedKvWriter> kv_;
  TargetShardPlace place_;
  TargetSpec spec_;
  Sha256 digest_;
  TargetShardSummary summary_;
};

// Reads one shard's database. Thread-safe.
class TargetReader {
 public:
  static Result<std::unique_ptr<TargetReader>> Open(const std::string& path);
  const TargetSpec& spec() const { return spec_; }
  const std::string& identity() const { return identity_; }
  const TargetShardSummary& summary() const { return summary_; }
  // DATA_LOSS when the record is damaged or was computed from another masked input; NOT_FOUND when missing.
  Status Read(std::uint32_t sequence, std::uint32_t variant, std::uint64_t masked_hash, TargetRecord* record) const;
  // Reads every record and compares the digest of all with the summary's.
  Status Verify() const;

 private:
  explicit TargetReader(std::string path) : path_(std::move(path)) {}
  Status ParseProperties();

  std::string path_;
  std::unique_ptr<SealedKv> kv_;
  TargetSpec spec_;
  std::string identity_;
  TargetShardSummary summary_;
};

}  // namespace still::shards
