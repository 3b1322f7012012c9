// The targets artifact: one database per train shard of the corpus, built by many processes (sharded_builder.h).
//
// clang-format off
//   <artifacts>/targets/<digest>.shard-NNNNN.partial-<host>-<pid>/  being computed, by any number of processes
//   <artifacts>/targets/<digest>.building/shard-NNNNN/              sealed, one by one
//   <artifacts>/targets/<digest>/                                   the same directory, renamed when all are sealed
//   <artifacts>/targets/<digest>.shard-NNNNN.bad/                   sealed, but another process computed something else
// clang-format on
//
// Beside the shards the artifact holds identity.txt, summary.json and manifest.json.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "common/digest.h"
#include "common/status.h"
#include "common/storage/artifact.h"
#include "shards/sharded_builder.h"
#include "shards/targets/target_cache.h"

namespace still::shards {

// A targets artifact under construction. It holds no state but names: any number of threads and processes may have one.
class TargetStore {
 public:
  // Makes the building directory. `shards` is the number of train shards of the corpus.
  static Result<TargetStore> Open(const ArtifactStore& artifacts, const IdentityBuilder& identity,
                                  const TargetSpec& spec, std::uint32_t shards);

  const std::string& final_path() const { return builder_.final_path(); }
  const std::string& building_path() const { return building_path_; }
  std::uint32_t shards() const { return shards_; }
  bool Committed() const { return builder_.Committed(); }
  // Returns what to pass to TargetWriter::Seal.
  const std::string& identity() const { return identity_; }

  // Returns where TargetWriter writes and seals the shard.
  ShardPlace PlaceOf(std::uint32_t shard) const;
  // Returns the digest of a sealed shard. NOT_FOUND when it is not sealed.
  Result<std::string> SealedDigest(std::uint32_t shard) const;

  // Removes what dead processes of this host left half written. Any process may call this at any time.
  Status RemoveLeftovers() const { return builder_.RemoveLeftovers(); }

  // Checks that every shard is sealed and of this identity, writes the manifest and `summary`, and renames. Adds the
  // counts "records", "positions", "bytes" and "bytes_per_position" to the summary. NOT_FOUND when a shard is missing,
  // DATA_LOSS when one is of another artifact. May be called again after a crash and by two processes at once.
  Status Commit(Summary summary) const;

 private:
  TargetStore(ShardedBuilder builder, const IdentityBuilder& identity, const TargetSpec& spec, std::uint32_t shards);
  Status CommitBuilding(Summary summary) const;

  ShardedBuilder builder_;
  std::string identity_;
  std::string building_path_;
  TargetSpec spec_;
  std::uint32_t shards_;
};

// Sets a sealed shard aside, so that it is computed anew. An artifact that holds the shard is under construction again.
// Succeeds when the shard does not exist.
Status QuarantineTargetShard(const ArtifactStore& artifacts, const std::string& digest, std::uint32_t shard);

// A committed targets artifact. A shard is opened when it is first read. Thread-safe.
class TargetSet {
 public:
  // NOT_FOUND or DATA_LOSS when the manifest cannot be read.
  static Result<std::unique_ptr<TargetSet>> Open(const std::string& directory);

  const TargetSpec& spec() const { return spec_; }
  std::uint32_t shards() const { return static_cast<std::uint32_t>(summaries_.size()); }
  // Returns the sum over the shards.
  std::uint64_t records() const;

  // Reads one record, as TargetReader::Read does. `sequence` counts within the shard. DATA_LOSS when the shard is not
  // the one that the manifest lists.
  Status Read(std::uint32_t shard, std::uint32_t sequence, std::uint32_t variant, std::uint64_t masked_hash,
              TargetRecord* record) const;
  // Reads every record of every shard.
  Status Verify() const;

 private:
  explicit TargetSet(std::string directory) : directory_(std::move(directory)) {}
  Result<const TargetReader*> Shard(std::uint32_t shard) const;

  std::string directory_;
  TargetSpec spec_;
  std::vector<TargetShardSummary> summaries_;
  mutable std::mutex mutex_;  // guards readers_; what they point to lives as long as this object
  mutable std::vector<std::unique_ptr<TargetReader>> readers_;
};

}  // namespace still::shards
