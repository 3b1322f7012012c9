// The configuration of a pipeline (configs/*.yaml): the defaults, overlaid by a file, checked as a whole.
// configs/sample.yaml documents every key.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/proto/config.pb.h"
#include "common/status.h"

namespace still {

inline constexpr std::uint32_t kMostRanks = 4096;

// Returns the configuration with every key at its default. Paths are empty, except `artifacts`. A run takes its
// defaults from here alone; a test compares configs/sample.yaml with it. The initial values in option structs elsewhere
// serve tests: a run overwrites those that a key sets.
stillhouse::v1::PipelineConfig DefaultPipelineConfig();

// Returns the defaults overlaid by the file, and checked. Its paths are absolute, against the directory of the file. An
// absent `name` is the file's stem. Every error is INVALID_ARGUMENT and its place() names the file, and the line,
// column and key where a value in the file is wrong. Only a file that cannot be read has no place, and the code of
// ReadFile: NOT_FOUND when there is none. A file that holds a sweep is an error, too.
Result<stillhouse::v1::PipelineConfig> LoadPipelineConfig(const std::string& path);

struct PipelineVariant {
  std::string name;  // its name in the sweep; empty when the file is no sweep
  stillhouse::v1::PipelineConfig config;
};

// Returns all the pipelines that the file stands for: one, or those of a sweep (common/config/sweep.h). All have the
// name and the artifact directory of the file. Each is as LoadPipelineConfig returns it, and so are the errors. Two
// variants of one configuration are an error, too.
Result<std::vector<PipelineVariant>> LoadPipelineSweep(const std::string& path);

// Checks ranges and combinations. An error's place() names the key, and its message says what to set. Whether files
// exist and fit each other is checked by the stages that read them.
Status CheckPipelineConfig(const stillhouse::v1::PipelineConfig& config);

}  // namespace still
