// How far a stage has come, as workers report it (Progress in control.proto) and as it is shown.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace still {

struct StageProgress {
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  std::string unit;
  std::uint64_t tokens = 0;
  std::map<std::string, double> values;
};

}  // namespace still
