#include "worker/train/survivors.h"

#include <fmt/ranges.h>

#include <numeric>
#include <span>

#include "common/faults/fault_point.h"
#include "common/log.h"

namespace still::worker {
namespace {

constexpr int kTries = 3;

}  // namespace

Survivors::Survivors(Communicator& world, ControlLink& control, std::uint64_t generation)
    : world_(world), control_(control), launched_(world.size()), generation_(generation) {
  members_.resize(static_cast<std::size_t>(launched_));
  std::iota(members_.begin(), members_.end(), 0);
}

Result<std::vector<std::size_t>> Survivors::Reconfigure(std::uint64_t step, const std::vector<char>& computed) {
  Status last;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const Status fault = FaultPoint("recover");
    Result<std::vector<std::size_t>> lost = ReconfigureOnce(step, computed);
    STILL_RETURN_IF_ERROR(fault);  // only after the collective calls, which the others make, too
    if (lost.ok() || lost.status().code() != Code::kUnavailable) return lost;
    last = lost.status();
  }
  return last.WithContext(fmt::format("step {} could not be saved in {} tries", step, kTries));
}

Result<std::vector<std::size_t>> Survivors::ReconfigureOnce(std::uint64_t step, const std::vector<char>& computed) {
  STILL_RETURN_IF_ERROR(world_.Shrink());
  // One sum tells which ranks are left and which microbatches their sums hold.
  const auto launched = static_cast<std::size_t>(launched_);
  std::vector<std::int64_t> told(launched + computed.size());
  told[static_cast<std::size_t>(world_.launch_rank())] = 1;
  for (std::size_t i = 0; i < computed.size(); ++i) told[launched + i] = computed[i];
  STILL_RETURN_IF_ERROR(world_.AllReduceSum(std::span(told)));
  STILL_ASSIGN_OR_RETURN(const bool whole, world_.Vote(true));
  STILL_CHECK(whole, "all said yes");
  members_.clear();
  for (std::size_t rank = 0; rank < launched; ++rank) {
    if (told[rank] > 0) members_.push_back(static_cast<int>(rank));
  }
  STILL_RETURN_IF_ERROR(TakeGeneration(step));
  std::vector<std::size_t> lost;
  for (std::size_t i = 0; i < computed.size(); ++i) {
    STILL_CHECK(told[launched + i] <= 1, "a microbatch stands in the sums of two ranks");
    if (told[launched + i] == 0) lost.push_back(i);
  }
  return lost;
}

// Gets a new generation: the lowest survivor asks, and all follow its answer.
Status Survivors::TakeGeneration(std::uint64_t step) {
  std::uint64_t generation = 0;  // 0: refused
  if (world_.rank() == 0) {
    const Result<std::uint64_t> granted = control_.RequestShrink(step, members_);
    if (granted.ok()) {
      generation = *granted;
    } else {
      LogWarn("ranks {} may not go on by themselves: {}", fmt::join(members_, ", "), granted.status().message());
    }
  }
  STILL_RETURN_IF_ERROR(world_.Broadcast(std::as_writable_bytes(std::span(&generation, 1)), 0));
  STILL_ASSIGN_OR_RETURN(const bool all, world_.Vote(true));
  STILL_CHECK(all, "all said yes");
  if (generation == 0)
    return Error(Code::kAborted, "the coordinator did not grant a generation to ranks {}", fmt::join(members_, ", "));
  STILL_CHECK(generation > generation_, "generations rise");
  generation_ = generation;
  return Ok();
}

}  // namespace still::worker
