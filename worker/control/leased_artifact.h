// The ranks' side of leased work, whatever artifact it makes. Each rank leases one shard after the other from the
// coordinator, and the rank that is told to commits the artifact. Ranks do not depend on each other: a rank that dies
// costs the shard that it held.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "common/clock.h"
#include "common/status.h"
#include "worker/control/control_link.h"
#include "worker/guardian/shared_progress.h"

namespace still::worker {

struct ShardId {
  std::uint32_t round = 0;
  std::uint32_t shard = 0;
};

// The part of one shard that is made.
struct ShardProgress {
  std::uint64_t units = 0;
  std::uint64_t tokens = 0;
  std::map<std::string, double> values;  // shown to people as sums over all shards
};

// The measures of the whole stage, for the rank that commits the artifact.
struct WorkMeasures {
  double seconds = 0;
  double tokens_per_second = 0;  // of all ranks
};

// One stage's artifact as shards, which may be made in any order within a round, and twice. Owned by one thread.
class LeasedArtifact {
 public:
  virtual ~LeasedArtifact() = default;

  // Returns the total that progress counts to, in units.
  virtual std::uint64_t TotalUnits() const = 0;
  virtual v1::ProgressUnit Unit() const = 0;
  // Returns how many of these units a shard stands for. INTERNAL when there is no such shard.
  virtual Result<std::uint64_t> UnitsOf(ShardId id) const = 0;

  // Returns the phase of a rank that makes this shard.
  virtual v1::Phase PhaseOf(ShardId id) const = 0;
  // Returns the digest of a shard that an earlier launch, or a rank that has died since, made. NOT_FOUND when the shard
  // is not made.
  virtual Result<std::string> MadeDigest(ShardId id) const = 0;
  // Makes the shard and returns its digest. DATA_LOSS, with the digest of this rank's result in `*computed`, when
  // another process has made the shard meanwhile and the results differ. ALREADY_EXISTS when the artifact was committed
  // meanwhile: `*computed`, if it is set, is then only good for comparing.
  virtual Result<std::string> Make(ShardId id, const std::function<void(const ShardProgress&)>& on_progress,
                                   std::string* computed) = 0;
  // Returns how many shards the next round has, when this shard, which is made, decides that; else 0.
  virtual Result<std::uint32_t> NextShards(ShardId) const { return 0; }
  // Sets the shard aside, so that it will be made again.
  virtual Status Quarantine(ShardId id) const = 0;
  // Commits the artifact. Every shard is made.
  virtual Status Commit(const WorkMeasures& measures) const = 0;
};

// Leases and makes shards until nothing is left to do for any rank. The rank that commits the artifact reports the
// result at once, because the others wait for it. While a shard is made or the artifact committed, a thread of its own
// renews the lease as long as the marks of `words` show progress. The link belongs to that thread meanwhile.
Status RunLeasedWork(const std::string& stage, LeasedArtifact& artifact, ControlLink& control, ProgressWriter& words,
                     const Clock& clock = Clock::System());

}  // namespace still::worker
