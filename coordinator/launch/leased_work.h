// Work that ranks lease shard by shard, as the messages of one launch see it: which rank computes which shard, how far
// all of them are, and which rank puts the artifact together when every shard is done. Ranks do not need each other for
// any of it, so the ranks that are left can finish.
//
// The work is done in rounds, one after the other. The shards of a round are computed from what the rounds before it
// made. Each round has a lease table, and the last one is for putting the artifact together. Pure: `now` is passed in.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/proto/control.pb.h"
#include "common/status.h"
#include "common/vocabulary.h"
#include "coordinator/launch/lease_table.h"

namespace still::coordinator {

struct WorkRound {
  std::string shard = "shard";  // the word for one of them, in messages
  std::uint32_t shards = 0;     // 0: a result of the round before says how many (ShardDone.next_shards)
};

class LeasedWork {
 public:
  // `rounds` is not empty, and its first round says how many shards it has.
  LeasedWork(std::string stage, std::vector<WorkRound> rounds, const LeasePolicy& policy);

  // Answers the request of a rank for a shard. `committed` says that some rank has reported the artifact as complete.
  v1::LeaseGrant Answer(std::uint32_t rank, std::uint64_t request, bool committed, Clock::TimePoint now);
  void OnProgress(std::uint32_t rank, const v1::Progress& progress, Clock::TimePoint now);
  // Records a finished shard. An error makes the work worthless; see LeaseTable::Complete. INVALID_ARGUMENT: the round
  // has not begun, or it ends and no result said how many shards the next round has.
  Status OnDone(std::uint32_t rank, const v1::ShardDone& done, Clock::TimePoint now);
  void OnDeath(std::uint32_t rank);

  // Return sums over the rounds of what LeaseTable counts.
  std::uint64_t units() const;
  std::uint64_t tokens() const;
  std::uint64_t shards_done() const;
  std::uint64_t granted() const;  // leases
  // Returns a number that rises with every gain: units, and the shards of later rounds, which may count no units.
  std::uint64_t reached() const;

 private:
  bool InCommit() const { return tables_.size() > rounds_.size(); }
  Status BeginNextIfDone();
  void Begin(const std::string& shard, std::uint32_t shards);

  struct Ask {
    std::uint64_t request = 0;
    std::size_t round = 0;
  };

  const std::string stage_;  // name, in messages
  const std::vector<WorkRound> rounds_;
  const LeasePolicy policy_;
  std::deque<LeaseTable> tables_;      // one per round that has begun; the last one is in progress
  std::uint32_t next_shards_ = 0;      // number of shards of the next round, once a result said so
  std::map<std::uint32_t, Ask> asks_;  // newest request of each rank, and the round it came in
  std::set<std::uint32_t> dead_;       // ranks
};

}  // namespace still::coordinator
