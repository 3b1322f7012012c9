// still run
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/status.h"

namespace still::cli {

struct RunFlags {
  std::string config_path;
  std::optional<std::uint32_t> ranks;
  std::string until;  // name of the last stage to run; empty: all
  bool json = false;
  bool check = false;
  std::vector<std::string> faults;  // see common/faults/fault_point.h
};

Status RunPipelineCommand(const RunFlags& flags);

}  // namespace still::cli
