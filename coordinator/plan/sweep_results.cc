#include "coordinator/plan/sweep_results.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/storage/files.h"
#include "coordinator/plan/run_summary.h"

namespace still::coordinator {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

Result<Summary> SummaryIfMade(const std::string& directory) {
  Result<Summary> numbers = ReadSummary(directory);
  if (numbers.status().code() == Code::kNotFound) return Summary();
  return numbers;
}

// Returns a number of a line, or NaN when it is missing or not a number. JSON has no infinity.
double NumberIn(const nlohmann::json& line, const char* key) {
  const auto at = line.find(key);
  return at != line.end() && at->is_number() ? at->get<double>() : kNone;
}

Result<TrainingCurve> ReadCurve(const std::string& path) {
  TrainingCurve curve;
  const Result<std::string> text = ReadFile(path);
  if (text.status().code() == Code::kNotFound) return curve;
  STILL_RETURN_IF_ERROR(text.status());
  std::istringstream lines(*text);
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const nlohmann::json step = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!step.is_object())
      return Error(Code::kDataLoss, "{}:{}: not a JSON object: the artifact is damaged; remove it and run again", path,
                   number);
    if (const auto skipped = step.find("skipped"); skipped != step.end() && *skipped == true) continue;
    curve.step.push_back(NumberIn(step, "step"));
    curve.loss.push_back(NumberIn(step, "loss"));
    // Without a weight, Lmlm is not computed and the log has zeros.
    const double mlm = NumberIn(step, "mlm");
    curve.mlm.push_back(mlm == 0 ? kNone : mlm);
    curve.masked_accuracy.push_back(mlm == 0 ? kNone : NumberIn(step, "masked_accuracy"));
  }
  return curve;
}

}  // namespace

VariantArtifacts ArtifactsOfVariant(const std::string& variant, const std::string& root, const Plan& plan) {
  const auto digest = [&](v1::Stage stage) { return PlanOf(plan, stage).digest; };
  return {.variant = variant, .root = root, .student = digest(v1::STAGE_TRAIN), .report = digest(v1::STAGE_EVALUATE)};
}

Result<VariantResult> ReadVariantResult(const VariantArtifacts& artifacts) {
  VariantResult result{.artifacts = artifacts};
  const ArtifactStore store(artifacts.root);
  if (store.Has(ArtifactKind(v1::STAGE_TRAIN), artifacts.student)) {
    const std::string student = store.PathOf(ArtifactKind(v1::STAGE_TRAIN), artifacts.student);
    STILL_ASSIGN_OR_RETURN(result.training, SummaryIfMade(student));
    STILL_ASSIGN_OR_RETURN(result.weights_sha256, WeightsOnRecord(student));
    STILL_ASSIGN_OR_RETURN(result.curve, ReadCurve(JoinPath(student, "training.jsonl")));
  }
  if (store.Has(ArtifactKind(v1::STAGE_EVALUATE), artifacts.report)) {
    STILL_ASSIGN_OR_RETURN(result.evaluation,
                           SummaryIfMade(store.PathOf(ArtifactKind(v1::STAGE_EVALUATE), artifacts.report)));
  }
  return result;
}

}  // namespace still::coordinator
