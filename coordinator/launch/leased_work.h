// Work that ranks do shard by shard: which rank computes what, how far all of them are and, when every shard is done,
// which rank commits the artifact. Ranks need each other for none of it, so whichever ranks are left finish it.
//
// It is done in rounds, one after the other: the shards of a round are computed from the results of the rounds before.
// Each round is a lease table. One more table with a single shard stands for the commit. Pure: `now` is passed in.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/enum_words.h"
#include "common/proto/control.pb.h"
#include "common/status.h"
#include "coordinator/launch/lease_table.h"

namespace still::coordinator {

struct WorkRound {
  std::string shard = "shard";  // what a shard is called in messages
  std::uint32_t shards = 0;     // 0: as many as ShardDone.next_shards of the round before says
};

class LeasedWork {
 public:
  // There is at least one round, and the first one says how many shards it has.
  LeasedWork(v1::Stage stage, std::vector<WorkRound> rounds, const LeasePolicy& policy);

  // Returns the answer to a lease request. With `committed`, a rank has reported that the artifact stands.
  v1::LeaseGrant Answer(std::uint32_t rank, std::uint64_t request, bool committed, Clock::TimePoint now);
  void OnProgress(std::uint32_t rank, const v1::Progress& progress, Clock::TimePoint now);
  // Records a finished shard. Any error makes the work worthless: see LeaseTable::Complete. INVALID_ARGUMENT comes also
  // for a round that has not begun, and when a round ends without a result that says how many shards follow.
  Status OnDone(std::uint32_t rank, const v1::ShardDone& done, Clock::TimePoint now);
  void OnDeath(std::uint32_t rank);

  // Return sums over the rounds, as LeaseTable counts them.
  std::uint64_t units() const;
  std::uint64_t tokens() const;
  std::uint64_t shards_done() const;
  std::uint64_t granted() const;  // leases
  // Returns a number that rises with everything gained: units, and shards of later rounds, which may have no units.
  std::uint64_t reached() const;

 private:
  bool InCommit() const { return tables_.size() > rounds_.size(); }
  Status BeginNextIfDone();
  void Begin(const std::string& shard, std::uint32_t shards);

  struct Ask {
    std::uint64_t request = 0;
    std::size_t round = 0;
  };

  const v1::Stage stage_;  // in messages
  const std::vector<WorkRound> rounds_;
  const LeasePolicy policy_;
  std::deque<LeaseTable> tables_;      // one per round that has begun; the last one is in progress
  std::uint32_t next_shards_ = 0;      // of the round after it; 0: no result has said so yet
  std::map<std::uint32_t, Ask> asks_;  // the newest request of each rank, and the round that it came in
  std::set<std::uint32_t> dead_;       // ranks
};

}  // namespace still::coordinator
