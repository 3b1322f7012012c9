// Going on without dead ranks, in the middle of a step.
#pragma once

#include <cstdint>
#include <vector>

#include "common/status.h"
#include "worker/collective/communicator.h"
#include "worker/control/control_link.h"

namespace still::worker {

// Who is left, and as which generation. One thread.
class Survivors {
 public:
  Survivors(Communicator& world, ControlLink& control, std::uint64_t generation);

  // Collective over the survivors of a death, after a failed call. Leaves the dead behind, takes a new generation from
  // the coordinator, and returns which of the step's microbatches nobody's sums hold: those the dead had computed.
  // `computed` says which this rank's sums hold. Another death meanwhile starts it over, a few times. Not Ok: this
  // launch is over.
  Result<std::vector<std::size_t>> GoOn(std::uint64_t step, const std::vector<char>& computed);

  std::uint64_t generation() const { return generation_; }
  const std::vector<int>& members() const { return members_; }  // launch ranks, ascending; this is rank()'s order

 private:
  Result<std::vector<std::size_t>> GoOnOnce(std::uint64_t step, const std::vector<char>& computed);
  Status TakeGeneration(std::uint64_t step);

  Communicator& world_;
  ControlLink& control_;
  const int launched_;  // ranks
  std::uint64_t generation_;
  std::vector<int> members_;
};

}  // namespace still::worker
