// Reads a file as all the pipelines that it stands for: one, or those of a sweep (common/config/sweep.h).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/proto/config.pb.h"
#include "common/status.h"

namespace still {

struct PipelineVariant {
  std::string name;                                           // its name in the sweep; empty when the file is no sweep
  std::vector<std::pair<std::string, std::string>> settings;  // what sets it apart: dotted path and value as written
  stillhouse::v1::PipelineConfig config;                      // complete and checked, as LoadPipelineConfig returns it
};

// Returns at least one variant. All have the name and the artifact directory of the file. Every error is
// INVALID_ARGUMENT and its place() names the file. Two variants of one configuration are an error, too.
Result<std::vector<PipelineVariant>> LoadPipelineSweep(const std::string& path);

}  // namespace still
