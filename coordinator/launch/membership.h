// Knows which ranks belong to a launch, and as which generation. A launch starts as one generation with all of its
// ranks. The generation rises each time that survivors continue without the dead. Pure; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "common/status.h"

namespace still::coordinator {

class Membership {
 public:
  // Ranks 0 to `ranks` - 1 are launched as `generation`.
  Membership(std::uint64_t generation, std::uint32_t ranks);

  // Returns whether a message counts. A rank names the generation that it was launched in as long as it lives.
  bool Accepts(std::uint64_t launched_in, std::uint32_t rank) const {
    return launched_in == launched_ && members_.contains(rank);
  }
  std::uint64_t generation() const { return generation_; }
  const std::set<std::uint32_t>& members() const { return members_; }
  bool shrunk() const { return generation_ != launched_; }

  // Returns whether `sender` may continue with `survivors` alone. INVALID_ARGUMENT: it is not one of them, or one of
  // them is no member.
  Status Check(std::uint32_t sender, const std::set<std::uint32_t>& survivors) const;
  // Returns the members that are not among `survivors`.
  std::vector<std::uint32_t> LeftBehind(const std::set<std::uint32_t>& survivors) const;
  // Makes `survivors` the members, as `generation`, which is journaled. Call after Check.
  void Shrink(const std::set<std::uint32_t>& survivors, std::uint64_t generation);

  // Returns the answer to a request that arrived before. A request may arrive twice.
  std::optional<std::uint64_t> Answered(std::uint32_t sender, std::uint64_t request) const;
  void RecordAnswer(std::uint32_t sender, std::uint64_t request, std::uint64_t generation);

 private:
  const std::uint64_t launched_;
  std::uint64_t generation_;
  std::set<std::uint32_t> members_;
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::uint64_t> answers_;
};

}  // namespace still::coordinator
