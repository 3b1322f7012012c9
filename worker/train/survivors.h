// Continues a step without ranks that died in it.
#pragma once

#include <cstdint>
#include <vector>

#include "common/status.h"
#include "worker/collective/communicator.h"
#include "worker/control/control_link.h"

namespace still::worker {

// The ranks that are left, and their generation. Used by one thread.
class Survivors {
 public:
  Survivors(Communicator& world, ControlLink& control, std::uint64_t generation);

  // Collective over the survivors of a death, after a failed call. Shrinks the communicator, gets a new generation from
  // the coordinator, and returns the indices of `computed` that no survivor has set: the dead had computed those
  // microbatches, or nobody has yet. `computed` says which microbatches this rank's sums hold. It may be longer than
  // the step has microbatches, so the result may name indices beyond them. After another death meanwhile it starts
  // over, a few times. Any error means that this launch is over.
  Result<std::vector<std::size_t>> Reconfigure(std::uint64_t step, const std::vector<char>& computed);

  std::uint64_t generation() const { return generation_; }
  const std::vector<int>& members() const { return members_; }  // launch ranks, ascending, in the order of rank()

 private:
  Result<std::vector<std::size_t>> ReconfigureOnce(std::uint64_t step, const std::vector<char>& computed);
  Status TakeGeneration(std::uint64_t step);

  Communicator& world_;
  ControlLink& control_;
  const int launched_;  // ranks
  std::uint64_t generation_;
  std::vector<int> members_;
};

}  // namespace still::worker
