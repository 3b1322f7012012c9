// The summary of a finished run: the numbers that its artifacts carry, whether the run made or reused them.
#pragma once

#include <map>
#include <string>

#include "common/status.h"
#include "common/storage/artifact.h"
#include "coordinator/plan/plan.h"

namespace still::coordinator {

struct RunSummary {
  std::map<v1::Stage, Summary> numbers;  // without the stages whose artifacts carry none
  std::string weights_sha256;            // of the student; empty when none is on record
  std::string student_directory;         // empty, like the others, when it does not exist
  std::string report_directory;
  std::string export_directory;
};

// Returns the SHA-256 of the student's weights from its directory, or an empty text when none is on record.
Result<std::string> WeightsOnRecord(const std::string& student_directory);

// Reads the summary of the plan's artifacts. DATA_LOSS: an artifact is damaged.
Result<RunSummary> ReadRunSummary(const ArtifactStore& artifacts, const Plan& plan);

}  // namespace still::coordinator
