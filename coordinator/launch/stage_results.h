// Collects what the ranks of a launch said about its end, and concludes how it ended. Pure; one thread.
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
  // With `survivors_go_on` the launch ends only when every rank, and not just one, has lost a peer.
  StageResults(std::string stage, bool survivors_go_on) : stage_(std::move(stage)), survivors_go_on_(survivors_go_on) {}

  // Records the result of a rank. The success of any member is the success of the stage.
  void OnResult(std::uint32_t rank, Status result);
  // Records a failure of the launch. The first one counts. But a failure that would happen again counts more than one
  // that another try may cure, and DATA_LOSS counts most, because what is set aside for it may make other ranks fail.
  void OnFailure(Status failure);

  // Returns whether nothing more is worth waiting for.
  bool Settled(const std::set<std::uint32_t>& members) const;
  bool succeeded() const { return succeeded_; }
  // Returns Ok, a failure that would happen again, or CANCELLED. Returns nothing when the ranks died without a result.
  std::optional<Status> Verdict() const;
  // Returns the ranks that could not continue without another rank, and what they said.
  const std::map<std::uint32_t, Status>& gave_up() const { return gave_up_; }

 private:
  const std::string stage_;
  const bool survivors_go_on_;
  bool succeeded_ = false;
  std::optional<Status> failure_;
  std::map<std::uint32_t, Status> gave_up_;
};

}  // namespace still::coordinator
