#include "coordinator/launch/membership.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace still::coordinator {

Membership::Membership(std::uint64_t generation, std::uint32_t ranks) : launched_(generation), generation_(generation) {
  for (std::uint32_t rank = 0; rank < ranks; ++rank) members_.insert(rank);
}

Status Membership::Check(std::uint32_t sender, const std::set<std::uint32_t>& survivors) const {
  if (survivors.contains(sender) && std::ranges::includes(members_, survivors)) return Ok();
  return Error(Code::kInvalidArgument,
               "rank {} wants to go on with ranks {}, but it has to be one of them and the "
               "members are {}",
               sender, fmt::join(survivors, ", "), fmt::join(members_, ", "));
}

std::vector<std::uint32_t> Membership::LeftBehind(const std::set<std::uint32_t>& survivors) const {
  std::vector<std::uint32_t> left;
  std::ranges::set_difference(members_, survivors, std::back_inserter(left));
  return left;
}

void Membership::Shrink(const std::set<std::uint32_t>& survivors, std::uint64_t generation) {
  STILL_CHECK(generation > generation_ && !survivors.empty(), "generations rise, and somebody survives");
  generation_ = generation;
  members_ = survivors;
}

std::optional<std::uint64_t> Membership::Answered(std::uint32_t sender, std::uint64_t request) const {
  const auto found = answers_.find({sender, request});
  return found == answers_.end() ? std::nullopt : std::optional<std::uint64_t>(found->second);
}

void Membership::NoteAnswer(std::uint32_t sender, std::uint64_t request, std::uint64_t generation) {
  answers_[{sender, request}] = generation;
}

}  // namespace still::coordinator
