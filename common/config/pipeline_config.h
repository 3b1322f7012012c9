// The configuration of a pipeline (configs/*.yaml): the defaults, overlaid by a file, checked as a whole.
// configs/sample.yaml documents every key.
#pragma once

#include <string>

#include "common/status.h"

namespace stillhouse::v1 {
class PipelineConfig;
}

namespace still {

// Returns the configuration with every key at its default. Paths are empty, except `artifacts`. A run takes its
// defaults from here alone; a test compares configs/sample.yaml with it. The initial values in option structs elsewhere
// serve tests: a run overwrites those that a key sets.
stillhouse::v1::PipelineConfig DefaultPipelineConfig();

// Returns the defaults overlaid by the file, completed and checked (see CompletePipelineConfig). Every error is
// INVALID_ARGUMENT and its place() names the file, and the line, column and key where a value in the file is wrong.
// A file that holds a sweep is an error, too: see common/config/pipeline_sweep.h.
Result<stillhouse::v1::PipelineConfig> LoadPipelineConfig(const std::string& path);

// Makes the paths of a configuration that was read from `path` absolute against that file's directory. Sets an absent
// `name` to the file's stem. Then checks the configuration.
Status CompletePipelineConfig(const std::string& path, stillhouse::v1::PipelineConfig* config);

// Checks ranges and combinations. An error's place() names the key, and its message says what to set. Whether files
// exist and fit each other is checked by the stages that read them.
Status CheckPipelineConfig(const stillhouse::v1::PipelineConfig& config);

}  // namespace still
