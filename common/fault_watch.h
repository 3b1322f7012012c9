// Which faults of a command line struck, in this process or in one that it started: each leaves a mark, an empty file.
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
  FaultWatch(std::vector<std::string> specifications, std::string marks)
      : specifications_(std::move(specifications)), marks_(std::move(marks)) {}

  const std::vector<std::string> specifications_;
  const std::string marks_;  // directory
};

}  // namespace still
