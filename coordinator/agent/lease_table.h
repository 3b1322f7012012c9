// Which shards of one launch are free, held and done. Pure. Granting is idempotent: a request that arrives twice,
// because its answer was lost, gets the same shard. Nothing expires: a holder that dies ends the launch, and the next
// launch starts with a new table.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/status.h"

namespace still::coordinator {

class LeaseTable {
 public:
  explicit LeaseTable(std::uint32_t shards) : digests_(shards) {}

  // The lowest shard never granted before, or nothing when there is none; the same answer to the same (peer, request).
  std::optional<std::uint32_t> Grant(const std::string& peer, std::uint64_t request);

  // DATA_LOSS when an earlier execution of the shard ended in other bytes; INVALID_ARGUMENT for a shard that was never
  // granted. Saying the same twice is fine.
  Status MarkDone(std::uint32_t shard, const std::string& digest);

  std::uint32_t shards() const { return static_cast<std::uint32_t>(digests_.size()); }
  std::uint32_t granted() const { return next_; }
  std::uint32_t done() const { return done_; }

 private:
  std::vector<std::string> digests_;  // of shards done; empty: not done
  std::map<std::pair<std::string, std::uint64_t>, std::optional<std::uint32_t>> answers_;
  std::uint32_t next_ = 0;
  std::uint32_t done_ = 0;
};

}  // namespace still::coordinator
