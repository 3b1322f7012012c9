// Work that ranks do shard by shard, as the messages of one launch see it: who computes what, how far all are, and,
// when every shard is done, who puts the artifact together. Ranks need each other for none of it, so that whoever is
// left finishes. Pure: `now` is passed in.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "common/clock.h"
#include "common/status.h"
#include "coordinator/agent/lease_table.h"

namespace stillhouse::v1 {
class LeaseGrant;
class Progress;
class ShardDone;
}  // namespace stillhouse::v1

namespace still::coordinator {

class DivisibleWork {
 public:
  DivisibleWork(std::string stage, std::uint32_t shards, const LeasePolicy& policy)
      : stage_(std::move(stage)), leases_(shards, policy), commit_(1, policy) {}

  // False in a stage that has none.
  bool Any() const { return leases_.shards() > 0; }
  // `committed`: some rank has said that the artifact stands.
  stillhouse::v1::LeaseGrant Answer(std::uint32_t rank, std::uint64_t request, bool committed, Clock::TimePoint now);
  void NoteProgress(std::uint32_t rank, const stillhouse::v1::Progress& progress, Clock::TimePoint now);
  // Not Ok: the work is worth nothing; see LeaseTable::Complete.
  Status NoteDone(std::uint32_t rank, const stillhouse::v1::ShardDone& done, Clock::TimePoint now);
  void NoteDeath(std::uint32_t rank);

  const LeaseTable& leases() const { return leases_; }

 private:
  const std::string stage_;  // name, in messages
  LeaseTable leases_;
  LeaseTable commit_;  // one shard, which is the putting together
};

}  // namespace still::coordinator
