// still run
#pragma once

#include <optional>
#include <string>

#include "common/status.h"

namespace still::cli {

struct RunFlags {
  std::string config_path;
  std::optional<std::uint32_t> ranks;
  bool json = false;
  bool check = false;
};

Status RunPipelineCommand(const RunFlags& flags);

}  // namespace still::cli
