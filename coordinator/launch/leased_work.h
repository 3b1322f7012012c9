// Work that ranks do shard by shard, as the messages of one launch see it: who computes what, how far all are, and,
// when every shard is done, who puts the artifact together. Ranks need each other for none of it, so that whoever is
// left finishes.
//
// It is done in rounds, one after the other: the shards of a round are computed from what those before it made. Each
// round is a lease table; the last one is the putting together. Pure: `now` is passed in.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/status.h"
#include "coordinator/launch/lease_table.h"

namespace stillhouse::v1 {
class LeaseGrant;
class Progress;
class ShardDone;
}  // namespace stillhouse::v1

namespace still::coordinator {

struct WorkRound {
  std::string shard = "shard";  // what one is called, in messages
  std::uint32_t shards = 0;     // 0: as many as a result of the round before says (ShardDone.next_shards)
};

class DivisibleWork {
 public:
  // Of a stage that has none, `rounds` is empty; else the first one says how many shards it has.
  DivisibleWork(std::string stage, std::vector<WorkRound> rounds, const LeasePolicy& policy);

  bool Any() const { return !rounds_.empty(); }
  // `committed`: some rank has said that the artifact stands.
  stillhouse::v1::LeaseGrant Answer(std::uint32_t rank, std::uint64_t request, bool committed, Clock::TimePoint now);
  void NoteProgress(std::uint32_t rank, const stillhouse::v1::Progress& progress, Clock::TimePoint now);
  // Not Ok: the work is worth nothing; see LeaseTable::Complete. INVALID_ARGUMENT also for a round that has not begun,
  // and when one ends of which nobody said how many shards follow.
  Status NoteDone(std::uint32_t rank, const stillhouse::v1::ShardDone& done, Clock::TimePoint now);
  void NoteDeath(std::uint32_t rank);

  // Sums over the rounds, as LeaseTable has them.
  std::uint64_t units() const;
  std::uint64_t tokens() const;
  std::uint64_t shards_done() const;
  std::uint64_t granted() const;  // leases
  // Rises with whatever is gained: units, and the shards of later rounds, which may count none.
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
  std::deque<LeaseTable> tables_;      // of the rounds that have begun; the last one is in progress
  std::uint32_t next_shards_ = 0;      // of the round after it, as far as anybody said
  std::map<std::uint32_t, Ask> asks_;  // newest of each rank, and the round that it came in
  std::set<std::uint32_t> dead_;       // ranks
};

}  // namespace still::coordinator
