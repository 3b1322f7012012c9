#include "coordinator/plan/run_summary.h"

#include "common/storage/files.h"

namespace still::coordinator {

Result<std::string> WeightsOnRecord(const std::string& student_directory) {
  const std::string path = JoinPath(student_directory, "weights.sha256");
  if (student_directory.empty() || !Exists(path)) return std::string();
  STILL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  return text.substr(0, text.find_first_of(" \n"));
}

Result<RunSummary> ReadRunSummary(const ArtifactStore& artifacts, const Plan& plan) {
  const auto directory = [&](v1::Stage stage) {
    return artifacts.PathOf(ArtifactKind(stage), PlanOf(plan, stage).digest);
  };
  RunSummary summary;
  for (const StagePlan& stage : plan) {
    Result<Summary> numbers = ReadSummary(directory(stage.stage));
    if (numbers.status().code() == Code::kNotFound) continue;
    STILL_ASSIGN_OR_RETURN(summary.numbers[stage.stage], std::move(numbers));
  }
  const auto if_made = [&](v1::Stage stage) { return Exists(directory(stage)) ? directory(stage) : ""; };
  summary.student_directory = if_made(v1::STAGE_TRAIN);
  summary.report_directory = if_made(v1::STAGE_EVALUATE);
  summary.export_directory = if_made(v1::STAGE_EXPORT);
  STILL_ASSIGN_OR_RETURN(summary.weights_sha256, WeightsOnRecord(summary.student_directory));
  return summary;
}

}  // namespace still::coordinator
