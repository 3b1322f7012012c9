// The targets artifact. Many processes build it shard by shard, and any of them may be killed at any time:
//
//   <artifacts>/targets/<digest>.shard-NNNNN.partial-<host>-<pid>/  being computed, by as many processes as like to
//   <artifacts>/targets/<digest>.building/shard-NNNNN/   sealed one by one; what is sealed is never done again
//   <artifacts>/targets/<digest>/                        the same directory, renamed when all shards are there
//   <artifacts>/targets/<digest>.shard-NNNNN.bad/        sealed, but another process computed something else
//
// What is being computed stands outside of what is renamed, so that a slow process spoils nothing. Beside the shards
// the artifact holds identity.txt, summary.json and manifest.json.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/digest.h"
#include "common/status.h"
#include "common/storage/artifact.h"
#include "shards/targets/target_cache.h"

namespace still::shards {

// One directory under construction. Stateless over the file system: any number of processes may hold one.
class TargetStore {
 public:
  // Makes the building directory. `shards` is the number of train shards of the corpus.
  static Result<TargetStore> Open(const ArtifactStore& artifacts, const IdentityBuilder& identity,
                                  const TargetSpec& spec, std::uint32_t shards);

  const std::string& final_path() const { return final_path_; }
  const std::string& building_path() const { return building_path_; }
  std::uint32_t shards() const { return shards_; }
  bool Committed() const { return Exists(final_path_); }

  // Where TargetWriter writes shard `shard`; where it comes to stand; whether that has been done.
  TargetShardPlace PlaceOf(std::uint32_t shard) const;
  std::string ShardPath(std::uint32_t shard) const;
  bool ShardSealed(std::uint32_t shard) const { return Committed() || Exists(ShardPath(shard)); }
  // What to pass to TargetWriter::Seal.
  const std::string& identity() const { return identity_; }

  // The digest that a sealed shard names. NOT_FOUND when it is not sealed.
  Result<std::string> SealedDigest(std::uint32_t shard) const;

  // Removes what killed processes of this host left half written. Any process at any time.
  Status RemoveLeftovers() const;

  // Checks that every shard is sealed and of this identity, writes the manifest and `summary` with the counts
  // "records", "positions", "bytes", "bytes_per_position" added, and renames. May be called again after a crash, and by
  // two processes at once; done already is success.
  Status Commit(Summary summary) const;

 private:
  TargetStore() = default;
  Status CommitBuilding(Summary summary) const;

  std::string identity_;
  std::string final_path_;
  std::string building_path_;
  TargetSpec spec_;
  std::uint32_t shards_ = 0;
};

// Sets aside what is sealed of a shard, whoever's it is, so that it is computed anew: an artifact that holds it is one
// no more, but under construction. Nothing there is success.
Status QuarantineTargetShard(const ArtifactStore& artifacts, const std::string& digest, std::uint32_t shard);

// A committed targets artifact. Shards are opened when first read. Thread-safe.
class TargetSet {
 public:
  static Result<std::unique_ptr<TargetSet>> Open(const std::string& directory);

  const TargetSpec& spec() const { return spec_; }
  std::uint32_t shards() const { return static_cast<std::uint32_t>(summaries_.size()); }
  // Sums over the shards.
  std::uint64_t records() const;
  std::uint64_t positions() const;
  std::uint64_t bytes() const;

  // `sequence` counts within the shard. Errors as TargetReader::Read.
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
  mutable std::mutex mutex_;  // guards readers_ (what they point to lives as long as this)
  mutable std::vector<std::unique_ptr<TargetReader>> readers_;
};

}  // namespace still::shards
