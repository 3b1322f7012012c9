// Keeps track of which shards of one launch are free, leased and done. Pure: `now` is passed in.
//
// A lease is one rank's turn at one shard. Its number rises with every grant, and progress renews it. Its shard is free
// again once its deadline has passed, or its rank is dead or asks for another shard. A shard is computed at least once
// and counts once: the first completion counts, and every later one must have the same digest. When no shard is free, a
// rank that asks gets a second lease on the shard that has been held longest, if that is too long. A shard has at most
// two leases, and is free again when both have ended.
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
#include "common/enum_words.h"
#include "common/proto/control.pb.h"
#include "common/status.h"

namespace still::coordinator {

struct LeasePolicy {
  std::chrono::milliseconds patience{120'000};  // a lease expires after so long without progress
  // A lease is slow when it has been held for longer than `slow_factor` medians of the completed ones and than
  // `slow_floor`, once at least `slow_after` are completed.
  double slow_factor = 2;
  std::size_t slow_after = 3;
  std::chrono::milliseconds slow_floor{1000};
};

struct Lease {
  std::uint64_t id = 0;
  std::uint32_t shard = 0;
  std::optional<std::uint32_t> copy_of;  // the slow rank that holds this shard as well
};

class LeaseTable {
 public:
  // `noun` is what a shard is called in messages. Leases are numbered from `first_lease`.
  explicit LeaseTable(std::uint32_t shards, const LeasePolicy& policy = {}, std::string noun = "shard",
                      std::uint64_t first_lease = 1);

  // Returns a lease, or nothing: then the rank waits and asks again, unless AllDone. A request that arrives again gets
  // the same lease while that lease is open, and nothing after. One that is older than its rank's newest gets nothing.
  // Requests of a rank rise from 1.
  std::optional<Lease> Grant(std::uint32_t rank, std::uint64_t request, Clock::TimePoint now);
  // Records progress within the lease that it names. Only more units done or signs than before renew the lease, and
  // only while the rank holds it.
  void Renew(std::uint32_t rank, const v1::Progress& progress, Clock::TimePoint now);
  // Returns true when this completed the shard, false when it was done already with the same digest. DATA_LOSS when an
  // earlier completion had another digest. INVALID_ARGUMENT when this rank never had this lease on this shard, or when
  // the result has no digest. A shard that was found says nothing about how long a shard takes.
  Result<bool> Complete(std::uint32_t rank, const v1::ShardDone& result, Clock::TimePoint now);
  // Frees what the rank held. It gets no lease any more.
  void OnDeath(std::uint32_t rank);

  std::uint32_t shards() const { return static_cast<std::uint32_t>(shards_.size()); }
  std::uint64_t granted() const { return issued_.size(); }  // leases
  std::uint32_t done() const { return done_; }
  bool AllDone() const { return done_ == shards(); }
  // Returns the units of the shards that are done, plus what the furthest lease on each other shard reports.
  std::uint64_t units() const { return units_; }
  // Returns the tokens computed for completions that counted.
  std::uint64_t tokens() const { return tokens_; }

 private:
  struct Issued {
    std::uint32_t shard = 0;
    std::uint32_t rank = 0;
  };
  struct Open {
    Clock::TimePoint granted;
    Clock::TimePoint renewed;
    std::uint64_t units = 0;  // done, as its rank reports
    std::uint64_t signs = 0;
  };
  struct Shard {
    std::string digest;  // empty: it is not done
    std::uint32_t rank = 0;
    std::uint32_t open = 0;  // leases on it
    std::uint64_t units = 0;
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
  std::map<std::uint64_t, Open> open_;                 // by number, so the longest held comes first
  std::map<std::uint32_t, Ask> asks_;                  // the newest request of each rank
  std::set<std::uint32_t> dead_;                       // ranks
  std::vector<Clock::TimePoint::duration> durations_;  // of completed leases, ascending
  Clock::TimePoint expires_;                           // no open lease expires before this
  std::uint32_t done_ = 0;
  std::uint64_t units_ = 0;
  std::uint64_t tokens_ = 0;
};

}  // namespace still::coordinator
