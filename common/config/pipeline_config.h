// The configuration of a pipeline, configs/*.yaml: defaults, then what the file says, then checked as a whole.
// configs/sample.yaml documents every key.
#pragma once

#include <string>
#include <string_view>

#include "common/status.h"

namespace stillhouse::v1 {
class PipelineConfig;
}

namespace still {

// Every key at its default; paths empty but `artifacts`.
stillhouse::v1::PipelineConfig DefaultPipelineConfig();

// Defaults, overlaid by the file, with paths made absolute against the file's directory and `name` the file's stem
// unless given; then checked. Every error is INVALID_ARGUMENT and names the file, with line and column where a value in
// it is wrong; a sweep is one, too (see common/config/pipeline_sweep.h).
Result<stillhouse::v1::PipelineConfig> LoadPipelineConfig(const std::string& path);

// The part of it that comes after the file is read.
Status CompletePipelineConfig(const std::string& path, stillhouse::v1::PipelineConfig* config);

// Ranges and combinations; the message names the key and says what to set. Whether files exist and fit each other is
// for the stages that read them.
Status CheckPipelineConfig(const stillhouse::v1::PipelineConfig& config);
// The key that a check's message names.
std::string_view KeyOf(const Status& failed_check);

}  // namespace still
