#include "worker/collective/agree.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace still::worker {

Status Agree(Communicator& world, const Status& mine) {
  STILL_ASSIGN_OR_RETURN(const bool unanimous, world.Vote(mine.ok()));
  return unanimous ? Ok() : ShareFailure(world, mine);
}

Status ShareFailure(Communicator& world, const Status& mine) {
  if (world.size() == 1) return mine;
  std::vector<std::int64_t> codes(static_cast<std::size_t>(world.size()));
  codes[static_cast<std::size_t>(world.rank())] = static_cast<std::int64_t>(mine.code());
  Status exchanged = world.AllReduceSum(std::span(codes));
  if (!exchanged.ok()) return mine.ok() ? exchanged : mine;
  const auto first = std::ranges::find_if(codes, [](std::int64_t code) { return code != 0; });
  STILL_CHECK(first != codes.end(), "a vote failed that nobody voted against");
  const int rank = static_cast<int>(first - codes.begin());
  std::string message = mine.message();
  exchanged = world.Broadcast(&message, rank);
  if (!exchanged.ok()) return mine.ok() ? exchanged : mine;
  return Status(static_cast<Code>(*first), message).WithContext(fmt::format("rank {}", rank));
}

}  // namespace still::worker
