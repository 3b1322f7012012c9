// What the exact step needs from a group of ranks. Every call is collective: all ranks make it in the same order.
// A failed call leaves buffers undefined; nothing read from them may be used before a unanimous Vote.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/status.h"

namespace still::worker {

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  // values[i] = sum over ranks. Integer addition is associative: the result does not depend on rank count or order.
  virtual Status AllReduceSum(std::span<std::int64_t> values) = 0;
  // True when every rank said true. This, never a return code of AllReduceSum, decides whether a step counts.
  virtual Result<bool> Vote(bool ok) = 0;
  // Rank `root`'s bytes to everybody; sizes are exchanged as well.
  virtual Status Broadcast(std::string* bytes, int root) = 0;
  virtual Status Barrier() = 0;
};

}  // namespace still::worker
