// still submit
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli/connection.h"
#include "common/status.h"

namespace still::cli {

struct SubmitFlags {
  ConnectionFlags connection;
  std::string config_path;
  std::int32_t priority = 0;
  bool hold = false;
  bool attach = false;
  std::optional<std::uint32_t> ranks;
  std::string time_limit;  // "2h"; empty: none
  std::uint32_t retries = 3;
  bool wait = false;
  bool json = false;
  bool check = false;  // print what would be submitted, submit nothing
};

// With `wait` the status is that of the pipeline (see PipelineOutcome).
Status SubmitCommand(const SubmitFlags& flags);

}  // namespace still::cli
