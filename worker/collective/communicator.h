// What the exact step needs from a group of ranks. Every call is collective: all ranks make it in the same order.
// A failed call leaves buffers undefined; nothing read from them may be used before a unanimous Vote.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/status.h"

namespace still::worker {

// A rank's place among the ranks of its host, 0 <= index < count.
struct HostPlace {
  int index = 0;
  int count = 1;
};

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Rank at launch: the same for a process's whole life, whatever Shrink does to rank().
  virtual int launch_rank() const = 0;
  virtual HostPlace host_place() const = 0;

  // values[i] = sum over ranks. Integer addition is associative: the result does not depend on rank count or order.
  virtual Status AllReduceSum(std::span<std::int64_t> values) = 0;
  // The same out of place: what a rank puts in survives a failure. `in` and `out` do not overlap.
  virtual Status AllReduceSum(std::span<const std::int64_t> in, std::span<std::int64_t> out) = 0;
  // In fp32: the result depends on the number of ranks. For `reduction: fast`.
  virtual Status AllReduceSum(std::span<float> values) = 0;
  // True when every rank said true. This, never a return code of AllReduceSum, decides whether a step counts. Every
  // survivor of a death gets the same answer: all true, all false, or all UNAVAILABLE.
  virtual Result<bool> Vote(bool ok) = 0;
  // Rank `root`'s bytes to everybody; sizes are exchanged as well.
  virtual Status Broadcast(std::string* bytes, int root) = 0;
  // The same into a buffer of a size that all ranks know.
  virtual Status Broadcast(std::span<std::byte> bytes, int root) = 0;
  virtual Status Barrier() = 0;

  // Whether survivors of a death can go on together.
  virtual bool can_shrink() const { return false; }
  // After a failed call: makes every survivor's pending call fail, then leaves the dead behind. rank() and size() are
  // those of the survivors afterwards. Not Ok: the group cannot be used any more.
  virtual Status Shrink() { return Error(Code::kUnavailable, "this communicator cannot go on without a dead rank"); }
};

}  // namespace still::worker
