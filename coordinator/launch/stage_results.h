// What the ranks of a launch said of its end, and what that amounts to. Pure; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "common/status.h"

namespace still::coordinator {

class StageResults {
 public:
  // `survivors_go_on`: that one rank misses a peer does not end the launch, but that all do.
  StageResults(std::string stage, bool survivors_go_on) : stage_(std::move(stage)), survivors_go_on_(survivors_go_on) {}

  // A rank's own result. A success of any member is the stage's: it is said when the work is done.
  void Said(std::uint32_t rank, Status result);
  // A failure of the launch, whoever found it. The first one counts, but one that would happen again counts more than
  // one that another try may cure, and DATA_LOSS most: what was set aside for it may fail others in many ways.
  void Failed(Status failure);

  // Nothing more is worth waiting for.
  bool Settled(const std::set<std::uint32_t>& members) const;
  bool succeeded() const { return succeeded_; }
  // How it went: Ok, a failure that would happen again, or CANCELLED; nothing when the ranks died without a word on it.
  std::optional<Status> Verdict() const;
  // Ranks that could not go on without another one, and what they said.
  const std::map<std::uint32_t, Status>& gave_up() const { return gave_up_; }

 private:
  const std::string stage_;
  const bool survivors_go_on_;
  bool succeeded_ = false;
  std::optional<Status> failure_;
  std::map<std::uint32_t, Status> gave_up_;
};

}  // namespace still::coordinator
