// Collects the results that the ranks of a launch report, and derives the outcome. Pure; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>

#include "common/enum_words.h"
#include "common/status.h"

namespace still::coordinator {

class StageResults {
 public:
  // With `survivors_go_on`, a launch ends only when all members miss a peer. Otherwise one is enough.
  StageResults(v1::Stage stage, bool survivors_go_on) : stage_(stage), survivors_go_on_(survivors_go_on) {}

  // Records a rank's own result. The success of any member is the stage's, because it is reported when the work is
  // done.
  void OnResult(std::uint32_t rank, Status result);
  // Records a failure of the launch. The first one counts, with two exceptions. One that would happen again outweighs
  // one that another try may cure. DATA_LOSS outweighs all, because data that was set aside fails other ranks in turn.
  void RecordFailure(Status failure);

  // Returns whether the outcome is known, so that no further result is worth waiting for.
  bool OutcomeKnown(const std::set<std::uint32_t>& members) const;
  bool succeeded() const { return succeeded_; }
  // Returns Ok, a failure that would happen again, or CANCELLED. Returns nothing when the ranks died without reporting
  // any of these.
  std::optional<Status> Verdict() const;
  // Returns the ranks that could not go on without another one, with their results.
  const std::map<std::uint32_t, Status>& gave_up() const { return gave_up_; }

 private:
  const v1::Stage stage_;
  const bool survivors_go_on_;
  bool succeeded_ = false;
  std::optional<Status> failure_;
  std::map<std::uint32_t, Status> gave_up_;
};

}  // namespace still::coordinator
