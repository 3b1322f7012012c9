// What the students of a sweep came to: read from their artifacts, wherever and whenever they were made.
#pragma once

#include <string>
#include <vector>

#include "common/status.h"
#include "common/storage/artifact.h"
#include "coordinator/plan/plan.h"

namespace still::coordinator {

// Where one variant's results are.
struct VariantArtifacts {
  std::string variant;  // empty: the pipeline is no sweep
  std::string root;
  std::string student;  // digests
  std::string report;
};
VariantArtifacts ArtifactsOfVariant(const std::string& variant, const std::string& root, const Plan& plan);

// One value a step that was not skipped.
struct TrainingCurve {
  std::vector<double> step;
  std::vector<double> loss;             // as weighted by the variant: not comparable where weights differ
  std::vector<double> mlm;              // cross-entropy at the masked positions, nats: comparable
  std::vector<double> masked_accuracy;  // share of the masked tokens found
};

struct VariantResult {
  VariantArtifacts artifacts;
  Summary training;    // of the student; empty: not made
  Summary evaluation;  // of the report; empty: not made
  std::string weights_sha256;
  TrainingCurve curve;
};

// A result that does not exist yet is no error; a damaged one is DATA_LOSS.
Result<VariantResult> ReadVariantResult(const VariantArtifacts& artifacts);

}  // namespace still::coordinator
