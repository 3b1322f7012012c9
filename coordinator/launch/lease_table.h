// Which shards of one launch are free, leased and done. Pure: `now` is passed in.
//
// A lease is one rank's turn at one shard. Its number rises with every grant; it is renewed by progress, and once its
// deadline has passed, or its rank is dead or asks for another shard, what it held is free again. Execution is at least
// once, the effect once: the first completion counts, whoever's it is, and every other one must have its digest. When
// nothing is free, whoever asks gets a second copy of the lease that has been held for too long, longest first.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/status.h"

namespace still::coordinator {

struct LeasePolicy {
  std::chrono::milliseconds patience{120'000};  // without progress
  // A lease gets a second copy when it has been held for so many medians of the completed ones, of which there are
  // at least so many, and for so long.
  double slow_factor = 2;
  std::size_t slow_after = 3;
  std::chrono::milliseconds slow_floor{1000};
};

struct Lease {
  std::uint64_t id = 0;
  std::uint32_t shard = 0;
  std::optional<std::uint32_t> copy_of;  // the slow rank that holds this shard as well
};

// How far a rank says that it is in its lease.
struct LeaseProgress {
  std::uint64_t units = 0;  // that count
  std::uint64_t signs = 0;  // of progress of any kind
};

// What a rank says of a shard that it holds.
struct ShardResult {
  std::uint32_t shard = 0;
  std::string digest;
  bool found = false;        // it was there: says nothing of how long one takes
  std::uint64_t units = 0;   // of progress
  std::uint64_t tokens = 0;  // computed
};

class LeaseTable {
 public:
  // `noun`: what a shard is called, in messages. Leases are numbered from `first_lease`.
  explicit LeaseTable(std::uint32_t shards, const LeasePolicy& policy = {}, std::string noun = "shard",
                      std::uint64_t first_lease = 1);

  // Nothing: wait and ask again, or AllDone. The same answer to a request that arrives twice; one older than its
  // rank's newest gets nothing. Requests of a rank rise from 1.
  std::optional<Lease> Grant(std::uint32_t rank, std::uint64_t request, Clock::TimePoint now);
  // Progress within a lease. Only more of it than before renews, and no lease that has ended.
  void Renew(std::uint32_t rank, std::uint64_t lease, const LeaseProgress& progress, Clock::TimePoint now);
  // True when this completed the shard, false when it was done already, in these bytes. DATA_LOSS when an earlier
  // execution ended in others; INVALID_ARGUMENT for a lease that this rank was never given for this shard.
  Result<bool> Complete(std::uint32_t rank, std::uint64_t lease, const ShardResult& result, Clock::TimePoint now);
  // What it held is free, and it is given nothing any more.
  void NoteDeath(std::uint32_t rank);

  std::uint32_t shards() const { return static_cast<std::uint32_t>(shards_.size()); }
  std::uint64_t granted() const { return issued_.size(); }  // leases
  std::uint32_t done() const { return done_; }
  bool AllDone() const { return done_ == shards(); }
  // Of the shards that are done, and of the others what their furthest lease says.
  std::uint64_t units() const { return units_; }
  std::uint64_t tokens() const { return tokens_; }  // of what counted

 private:
  struct Issued {
    std::uint32_t shard = 0;
    std::uint32_t rank = 0;
  };
  struct Open {
    Clock::TimePoint granted;
    Clock::TimePoint renewed;
    LeaseProgress progress;
  };
  struct Shard {
    std::string digest;  // empty: not done
    std::uint32_t rank = 0;
    std::uint32_t open = 0;   // leases
    std::uint64_t units = 0;  // that count
  };
  struct Ask {
    std::uint64_t request = 0;
    std::optional<Lease> answer;
  };

  void Expire(Clock::TimePoint now);
  void CountUnits(Shard& shard, std::uint64_t units);
  void Release(std::uint32_t rank);
  std::map<std::uint64_t, Open>::iterator Close(std::map<std::uint64_t, Open>::iterator lease);
  std::optional<Lease> Pick(std::uint32_t rank, Clock::TimePoint now);
  std::optional<std::uint64_t> SlowestAlone(Clock::TimePoint now) const;
  const Issued& IssuedAs(std::uint64_t lease) const { return issued_[lease - first_lease_]; }

  const LeasePolicy policy_;
  const std::string noun_;
  const std::uint64_t first_lease_;
  std::vector<Shard> shards_;
  std::set<std::uint32_t> free_;
  std::vector<Issued> issued_;                         // in the order of their numbers
  std::map<std::uint64_t, Open> open_;                 // by lease: the longest held first
  std::map<std::uint32_t, Ask> asks_;                  // newest of each rank
  std::set<std::uint32_t> dead_;                       // ranks
  std::vector<Clock::TimePoint::duration> durations_;  // of completed leases, ascending
  Clock::TimePoint expires_;                           // the first of the open ones, at the earliest
  std::uint32_t done_ = 0;
  std::uint64_t units_ = 0;
  std::uint64_t tokens_ = 0;
};

}  // namespace still::coordinator
