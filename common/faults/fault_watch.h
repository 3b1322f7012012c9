// Which faults of a command line struck, in this process or in one that it started: each leaves a mark, a byte in a
// file in this process's memory, which goes with it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/status.h"

namespace still {

class FaultWatch {
 public:
  // Arms this process and those it starts from now on (see ArmFaults). INVALID_ARGUMENT when a specification is wrong
  // or names no point that there is: nothing was armed then.
  static Result<std::unique_ptr<FaultWatch>> Arm(std::vector<std::string> specifications);
  ~FaultWatch();
  FaultWatch(const FaultWatch&) = delete;
  FaultWatch& operator=(const FaultWatch&) = delete;

  // Processes of other hosts leave no mark here.
  std::vector<std::string> NeverStruck() const;

 private:
  FaultWatch(std::vector<std::string> specifications, int marks)
      : specifications_(std::move(specifications)), marks_(marks) {}

  const std::vector<std::string> specifications_;
  const int marks_;  // a byte for each of them
};

}  // namespace still
