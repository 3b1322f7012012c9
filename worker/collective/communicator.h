// The calls that the exact step needs from a group of ranks. Every call is collective: all ranks make it in the same
// order. A failed call leaves its buffers undefined. Nothing read from them may be used before a unanimous Vote.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "common/status.h"

namespace still::worker {

// A rank's place among the ranks of its host, 0 <= index < count.
struct HostPlace {
  int index = 0;
  int count = 1;
};

// A group of ranks as one of them sees it. Used by one thread.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Rank at launch: the same for a process's whole life, whatever Shrink does to rank().
  virtual int launch_rank() const = 0;
  virtual HostPlace host_place() const = 0;

  // Sets values[i] to its sum over ranks. Integer addition is associative, so the bits do not depend on rank count or
  // order.
  virtual Status AllReduceSum(std::span<std::int64_t> values) = 0;
  // Does the same out of place, so that `in` survives a failure. `in` and `out` do not overlap.
  virtual Status AllReduceSum(std::span<const std::int64_t> in, std::span<std::int64_t> out) = 0;
  // Sums in fp32, for `reduction: fast`. The result depends on the number of ranks.
  virtual Status AllReduceSum(std::span<float> values) = 0;
  // Returns true when every rank passed true. The vote decides whether a step counts; a return code of AllReduceSum
  // never does. Every survivor of a death gets the same answer: all true, all false, or all UNAVAILABLE.
  virtual Result<bool> Vote(bool ok) = 0;
  // Copies rank `root`'s bytes to all ranks. The size is exchanged as well.
  virtual Status Broadcast(std::string* bytes, int root) = 0;
  // Does the same for a buffer whose size all ranks know.
  virtual Status Broadcast(std::span<std::byte> bytes, int root) = 0;
  virtual Status Barrier() = 0;

  // Returns whether survivors of a death can go on together.
  virtual bool can_shrink() const { return false; }
  // Call it after a failed call. Makes every survivor's pending call fail, then removes the dead from the group: rank()
  // and size() are then those among the survivors. After an error the group cannot be used any more.
  virtual Status Shrink() { return Error(Code::kUnavailable, "this communicator cannot go on without a dead rank"); }
};

}  // namespace still::worker
