#include "coordinator/launch/membership.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace still::coordinator {

Membership::Membership(std::uint64_t generation, std::uint32_t ranks) : launched_(generation), generation_(generation) {
  for (std::uint32_t rank = 0; rank < ranks; ++rank) members_.insert(rank);
}

Status Membership::CheckSurvivors(std::uint32_t sender, const std::set<std::uint32_t>& survivors) const {
  if (survivors.contains(sender) && std::ranges::includes(members_, survivors)) return Ok();
  return Error(Code::kInvalidArgument,
               "rank {} asks to go on with ranks {}: it must be one of them, and each of them a member; members are {}",
               sender, fmt::join(survivors, ", "), fmt::join(members_, ", "));
}

std::vector<std::uint32_t> Membership::LeftBehind(const std::set<std::uint32_t>& survivors) const {
  std::vector<std::uint32_t> left;
  std::ranges::set_difference(members_, survivors, std::back_inserter(left));
  return left;
}

void Membership::Shrink(const std::set<std::uint32_t>& survivors, std::uint64_t generation) {
  STILL_CHECK(generation > generation_ && !survivors.empty(), "a generation must rise and have members");
  generation_ = generation;
  members_ = survivors;
}

}  // namespace still::coordinator
