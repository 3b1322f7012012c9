// The teacher's soft targets of one shard on disk: a sealed database with one record per (sequence, mask variant).
//
// A record holds the hash of the masked input that it was computed from. Reading it with another hash is DATA_LOSS, so
// a student can never be trained on the targets of other tokens. target_codec.h has the bytes of a record.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "common/digest.h"
#include "common/status.h"
#include "common/storage/sealed_kv.h"
#include "shards/sharded_builder.h"
#include "shards/targets/target_codec.h"

namespace still::shards {

// The content of a sealed shard. It is kept in the properties of the database.
struct TargetShardSummary {
  std::string digest;  // SHA-256 (hex) over all records with their keys: equal for every execution of the same shard
  std::uint64_t records = 0;
  std::uint64_t positions = 0;
  std::uint64_t bytes = 0;  // of the records

  bool operator==(const TargetShardSummary&) const = default;
};

// Writes the database of one shard. Nothing stands at its final path before Seal. Destroyed without Seal, the writer
// removes what it wrote. One thread.
class TargetWriter {
 public:
  static Result<std::unique_ptr<TargetWriter>> Create(const ShardPlace& place, const TargetSpec& spec);
  // Appends one record. Keys (sequence within the shard, variant) must ascend. DATA_LOSS when a value is not finite or
  // does not fit a half.
  Status Append(std::uint32_t sequence, std::uint32_t variant, const TargetRecord& record);
  // Syncs the database, renames it to its final path and returns its digest. When another process sealed the shard
  // first, removes this one and compares the two; see CompareWithStanding.
  Result<std::string> Seal(std::string_view identity);
  // Returns the digest of what was computed. It is empty before Seal, and set even when Seal failed.
  const std::string& digest() const { return summary_.digest; }
  std::uint64_t bytes() const { return summary_.bytes; }
  std::uint64_t positions() const { return summary_.positions; }

 private:
  TargetWriter(std::unique_ptr<SealedKvWriter> kv, ShardPlace place, const TargetSpec& spec)
      : kv_(std::move(kv)), place_(std::move(place)), spec_(spec) {}
  Result<std::string> StandingDigest(std::string_view identity) const;

  std::unique_ptr<SealedKvWriter> kv_;
  ShardPlace place_;
  TargetSpec spec_;
  Sha256 digest_;
  TargetShardSummary summary_;
};

// Reads the database of one shard. Thread-safe.
class TargetReader {
 public:
  // NOT_FOUND when there is none, DATA_LOSS when it is not a database of targets.
  static Result<std::unique_ptr<TargetReader>> Open(const std::string& path);
  const TargetSpec& spec() const { return spec_; }
  const std::string& identity() const { return identity_; }
  const TargetShardSummary& summary() const { return summary_; }
  // Reads one record. NOT_FOUND when it is missing. DATA_LOSS when it is damaged or was computed from another masked
  // input.
  Status Read(std::uint32_t sequence, std::uint32_t variant, std::uint64_t masked_hash, TargetRecord* record) const;
  // Reads every record and compares the digest over all of them with that of the summary.
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
