#include "coordinator/agent/lease_table.h"

namespace still::coordinator {

std::optional<std::uint32_t> LeaseTable::Grant(const std::string& peer, std::uint64_t request) {
  const auto [answer, first_time] = answers_.try_emplace({peer, request});
  if (first_time && next_ < shards()) answer->second = next_++;
  return answer->second;
}

Status LeaseTable::MarkDone(std::uint32_t shard, const std::string& digest) {
  if (shard >= next_) {
    return Error(Code::kInvalidArgument, "shard {} is reported done but was never granted ({} of {} were)", shard,
                 next_, shards());
  }
  if (digest.empty()) return Error(Code::kInvalidArgument, "shard {} is reported done without a digest", shard);
  std::string& known = digests_[shard];
  if (!known.empty() && known != digest) {
    return Error(Code::kDataLoss, "shard {} was computed twice with different results, {} and {}: a machine is faulty",
                 shard, known, digest);
  }
  if (known.empty()) ++done_;
  known = digest;
  return Ok();
}

}  // namespace still::coordinator
