// The ranks that belong to a launch, and the number of their generation. A launch starts as one generation with all of
// its ranks. The number rises each time that survivors go on without the dead. Pure; one thread.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "common/status.h"

namespace still::coordinator {

class Membership {
 public:
  // Begins with ranks 0 to `ranks` - 1, launched as `generation`.
  Membership(std::uint64_t generation, std::uint32_t ranks);

  // Returns whether a message counts. A rank names the generation that it was launched in for all its life.
  bool Accepts(std::uint64_t launched_in, std::uint32_t rank) const {
    return launched_in == launched_ && members_.contains(rank);
  }
  std::uint64_t generation() const { return generation_; }
  const std::set<std::uint32_t>& members() const { return members_; }
  bool shrunk() const { return generation_ != launched_; }

  // Checks that `sender` may go on with `survivors` alone. INVALID_ARGUMENT when it is not one of them, or when one of
  // them is not a member.
  Status CheckSurvivors(std::uint32_t sender, const std::set<std::uint32_t>& survivors) const;
  // Returns the members that are not among `survivors`.
  std::vector<std::uint32_t> LeftBehind(const std::set<std::uint32_t>& survivors) const;
  // Makes `survivors` the members, as `generation`. They passed CheckSurvivors, and the generation is journaled.
  void Shrink(const std::set<std::uint32_t>& survivors, std::uint64_t generation);

 private:
  const std::uint64_t launched_;
  std::uint64_t generation_;
  std::set<std::uint32_t> members_;
};

}  // namespace still::coordinator
