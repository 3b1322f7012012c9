// Who belongs to a launch, and as which generation: a launch starts as one generation with all of its ranks, and rises
// by one each time that survivors go on without the dead. Pure; one thread.
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

  // Whether a message counts: ranks name the generation they were launched in for all their lives.
  bool Accepts(std::uint64_t launched_in, std::uint32_t rank) const {
    return launched_in == launched_ && members_.contains(rank);
  }
  std::uint64_t generation() const { return generation_; }
  const std::set<std::uint32_t>& members() const { return members_; }
  bool shrunk() const { return generation_ != launched_; }

  // Whether `sender` may go on with `survivors` alone; INVALID_ARGUMENT when it is none of them or one of them is no
  // member.
  Status Check(std::uint32_t sender, const std::set<std::uint32_t>& survivors) const;
  // Members that `survivors` leaves behind.
  std::vector<std::uint32_t> LeftBehind(const std::set<std::uint32_t>& survivors) const;
  // After Check; `generation` is journaled.
  void Shrink(const std::set<std::uint32_t>& survivors, std::uint64_t generation);

  // A request may arrive twice: what it was answered, if it was.
  std::optional<std::uint64_t> Answered(std::uint32_t sender, std::uint64_t request) const;
  void NoteAnswer(std::uint32_t sender, std::uint64_t request, std::uint64_t generation);

 private:
  const std::uint64_t launched_;
  std::uint64_t generation_;
  std::set<std::uint32_t> members_;
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::uint64_t> answers_;
};

}  // namespace still::coordinator
