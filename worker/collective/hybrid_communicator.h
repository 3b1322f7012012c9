// One Communicator out of two: large sums go by a transport that is fast and knows nothing of deaths (NCCL), all the
// rest by a communicator that does (MPI), which also carries the votes. It turns whatever a transport does when a rank
// dies into what the exact step expects: nobody hangs, all survivors hear the same, and Shrink goes on without the
// dead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "common/status.h"
#include "worker/collective/communicator.h"

namespace still::worker {

// Sums over a group of ranks that cannot change. Used by one thread. Every failure is UNAVAILABLE and comes within a
// deadline of the transport's own, whatever the peers do; the only call that makes sense afterwards is Leave.
class SumTransport {
 public:
  virtual ~SumTransport() = default;

  // Names a group that is to be; called by its rank 0. Never empty, never the same twice.
  virtual Result<std::string> MakeId() = 0;
  // Collective. Not while in a group.
  virtual Status Join(const std::string& id, int rank, int size) = 0;
  // Collective, in a group. out[i] = sum over ranks of in[i]; they are the same memory or do not overlap. After a
  // failure `out` is undefined, but nothing writes to it any more.
  virtual Status Sum(std::span<const std::int64_t> in, std::span<std::int64_t> out) = 0;
  virtual Status Sum(std::span<const float> in, std::span<float> out) = 0;
  // Drops the group of this rank alone, with whatever is under way in it. Does nothing outside of a group.
  virtual void Leave() = 0;
};

struct HybridOptions {
  // Shorter sums go by `control`: they are its messages, and work whatever became of the transport.
  std::size_t smallest_bytes = std::size_t{64} << 10;
};

// Collective over `control`, which outlives the result and has no other user meanwhile. Ok on all ranks or on
// none; when not, every rank has left the group.
//
// Rules the result keeps. A failed sum is followed by leaving at once, on this rank; the Vote that follows is
// UNAVAILABLE on all ranks, and all leave. When a rank votes no and none has died, Vote returns false and all stay.
// After UNAVAILABLE large sums fail until Shrink has left the dead behind in `control` and joined a fresh group;
// nothing is lost by it if nobody was dead. Leaving breaks the sums of others: vote (or wait at a Barrier) after the
// last one before the communicator goes.
Result<std::unique_ptr<Communicator>> ConnectHybrid(Communicator& control, std::unique_ptr<SumTransport> transport,
                                                    const HybridOptions& options);

}  // namespace still::worker
