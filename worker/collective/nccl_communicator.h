// Communicator whose large sums run on the GPUs, by NCCL; membership, votes and the rest stay with the communicator
// beneath (MPI). The only header through which NCCL is reached; CMake builds it where the CUDA toolkit and NCCL are.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>

#include "common/status.h"
#include "worker/collective/communicator.h"

namespace still::worker {

struct NcclOptions {
  // One sum, or the forming of one group, within this; then it is given up and the peers are taken for dead: NCCL has
  // no clock of its own, and on one host nothing else tells it of a death. Longer than a rank may ever lag behind.
  std::chrono::milliseconds deadline{30'000};
  // Sums pass through the GPU in pieces of this size, two under way at a time: the GPU memory and the pinned host
  // memory that a communicator takes are twice this each.
  std::size_t chunk_bytes = std::size_t{16} << 20;
  // Shorter sums go by `control`.
  std::size_t smallest_bytes = std::size_t{64} << 10;
};

// Collective over `control`, which outlives the result. One rank a GPU: rank i of a host takes device i modulo the
// number of devices it sees, and keeps it whatever Shrink does to its place. int64 sums are exact. Used by one thread,
// whose current CUDA device is left as it was.
//
// What a failure means and leaves behind is said in hybrid_communicator.h. Every NCCL call is non-blocking and watched;
// at an error or the deadline this rank aborts its group. The caller's memory is never handed to the GPU: nothing
// writes to it once a call has returned.
Result<std::unique_ptr<Communicator>> ConnectNccl(Communicator& control, const NcclOptions& options);

}  // namespace still::worker
