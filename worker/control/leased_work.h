// What the ranks of divisible work do, whatever it makes: each leases shard after shard from the coordinator, and the
// one that is told to puts the artifact together. Ranks need each other for nothing; one that dies costs the shard that
// it held.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "common/clock.h"
#include "common/status.h"
#include "worker/control/control_link.h"
#include "worker/guardian/progress_words.h"

namespace still::worker {

struct ShardId {
  std::uint32_t round = 0;
  std::uint32_t shard = 0;
};

// How far the making of one shard is.
struct ShardProgress {
  std::uint64_t units = 0;
  std::uint64_t tokens = 0;
  std::map<std::string, double> values;  // to show, as sums over all shards
};

// Of all that this rank did, when it puts the artifact together.
struct WorkMeasures {
  double seconds = 0;
  double tokens_per_second = 0;  // of all ranks
};

// One stage's artifact, as pieces that may be made in any order within a round, and twice. Owned by one thread.
class DivisibleArtifact {
 public:
  virtual ~DivisibleArtifact() = default;

  // What progress counts to.
  virtual std::uint64_t TotalUnits() const = 0;
  virtual std::string Unit() const = 0;
  // What a shard counts of it. INTERNAL when there is no such shard.
  virtual Result<std::uint64_t> UnitsOf(ShardId id) const = 0;

  // Where a rank is that makes it.
  virtual v1::Phase PhaseOf(ShardId id) const = 0;
  // The digest of a shard that is made, by an earlier launch or by a rank that died since. NOT_FOUND when it is not.
  virtual Result<std::string> MadeDigest(ShardId id) const = 0;
  // Makes it and returns its digest. DATA_LOSS, with the digest of this rank's result in `*computed`, when another
  // process's stands by now and differs. ALREADY_EXISTS when the artifact was put together meanwhile: what `*computed`
  // names, if anything, is good for comparing only.
  virtual Result<std::string> Make(ShardId id, const std::function<void(const ShardProgress&)>& on_progress,
                                   std::string* computed) = 0;
  // How many shards the next round has, where this shard, which is made, decides that; else 0.
  virtual Result<std::uint32_t> NextShards(ShardId) const { return 0; }
  // Sets the shard aside, so that it is made anew.
  virtual Status Quarantine(ShardId id) const = 0;
  // Every shard is made.
  virtual Status Commit(const WorkMeasures& measures) const = 0;
};

// Until there is nothing left to do, for anybody. The rank that puts the artifact together reports the result at once:
// the others wait for it. A beat (common/progress.h) renews the lease of the shard that is made, or of the commit.
Status RunLeasedWork(const std::string& stage, DivisibleArtifact& artifact, ControlLink& control, ProgressWriter& words,
                     const Clock& clock = Clock::System());

}  // namespace still::worker
