// The results of a sweep's students, read from their artifacts.
#pragma once

#include <string>
#include <vector>

#include "common/status.h"
#include "common/storage/artifact.h"
#include "coordinator/plan/plan.h"

namespace still::coordinator {

// The artifacts that hold one variant's results.
struct VariantArtifacts {
  std::string variant;  // empty when the pipeline is not a sweep
  std::string root;
  std::string student;  // the artifact's digest
  std::string report;   // the artifact's digest
};
// Returns the artifacts of `variant`, whose plan is `plan`.
VariantArtifacts ArtifactsOfVariant(const std::string& variant, const std::string& root, const Plan& plan);

// A training log, with one value per step that was not skipped.
struct TrainingCurve {
  std::vector<double> step;
  std::vector<double> loss;             // with the variant's weights, so variants with other weights do not compare
  std::vector<double> mlm;              // cross-entropy at the masked positions in nats, which compares
  std::vector<double> masked_accuracy;  // share of the masked tokens that were predicted
};

struct VariantResult {
  VariantArtifacts artifacts;
  Summary training;    // of the student; empty when it does not exist
  Summary evaluation;  // of the report; empty when it does not exist
  std::string weights_sha256;
  TrainingCurve curve;
};

// Returns the results that exist. A missing artifact is no error. DATA_LOSS: an artifact is damaged.
Result<VariantResult> ReadVariantResult(const VariantArtifacts& artifacts);

}  // namespace still::coordinator
