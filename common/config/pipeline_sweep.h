// A pipeline's file as all the pipelines it stands for: one, or those of a sweep (common/config/sweep.h).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/proto/config.pb.h"
#include "common/status.h"

namespace still {

struct PipelineVariant {
  std::string name;                                           // in the sweep; empty: the file is no sweep
  std::vector<std::pair<std::string, std::string>> settings;  // what sets it apart: dotted path, value as written
  stillhouse::v1::PipelineConfig config;                      // complete and checked, as of LoadPipelineConfig
};

// At least one; all have the name and the artifact directory of the file. Every error is INVALID_ARGUMENT and names
// the file; so is a sweep of which two variants are the same configuration.
Result<std::vector<PipelineVariant>> LoadPipelineSweep(const std::string& path);

}  // namespace still
