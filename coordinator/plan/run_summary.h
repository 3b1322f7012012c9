// What a finished run is reported by: the numbers its artifacts carry, whether they were made now or reused.
#pragma once

#include <map>
#include <string>

#include "common/status.h"
#include "common/storage/artifact.h"
#include "coordinator/plan/plan.h"

namespace still::coordinator {

struct RunSummary {
  std::map<v1::Stage, Summary> numbers;  // a stage whose artifact carries none is absent
  std::string weights_sha256;        // of the student; empty when it has none on record
  std::string student_directory;     // empty, as the others, when it was not made
  std::string report_directory;
  std::string export_directory;
};

// SHA-256 of a student's weights, as its maker noted it down; empty when it did not.
Result<std::string> WeightsOnRecord(const std::string& student_directory);

Result<RunSummary> ReadRunSummary(const ArtifactStore& artifacts, const Plan& plan);

}  // namespace still::coordinator
