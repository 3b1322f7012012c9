#include "worker/evaluate/report.h"

#include <nlohmann/json.hpp>

#include "common/storage/files.h"

namespace still::worker {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kBytesPerWeight = 4;  // fp32

double Ratio(double numerator, double denominator) { return denominator > 0 ? numerator / denominator : 0; }

Json ScoreJson(const MaskFillingScore& score) {
  return {{"accuracy", score.accuracy}, {"loss", score.loss}, {"kl", score.kl}, {"kl_tempered", score.kl_tempered}};
}

Json CostJson(const ModelCost& cost) {
  return {{"parameters", cost.parameters},
          {"bytes", cost.parameters * kBytesPerWeight},
          {"latency_ms", cost.latency_seconds * 1e3}};
}

Json ReportJson(const EvaluationReport& report, const std::string& identity) {
  return {{"held_out", {{"sequences", report.sequences}, {"masked_positions", report.masked_positions}}},
          {"temperature", report.temperature},
          {"latency", {{"tokens", report.latency_tokens}, {"runs", report.latency_runs}}},
          {"teacher", {{"score", ScoreJson(report.teacher)}, {"cost", CostJson(report.teacher_cost)}}},
          {"student_initial", {{"score", ScoreJson(report.student_initial)}}},
          {"student", {{"score", ScoreJson(report.student)}, {"cost", CostJson(report.student_cost)}}},
          {"identity", identity}};
}

std::string Row(std::string_view label, std::string_view teacher, std::string_view initial, std::string_view student) {
  return fmt::format("{:<28}{:>14}{:>18}{:>14}\n", label, teacher, initial, student);
}

std::string FourDecimals(double value) { return fmt::format("{:.4f}", value); }

}  // namespace

Summary SummaryOf(const EvaluationReport& report) {
  const auto parameters = [](const ModelCost& cost) { return static_cast<double>(cost.parameters); };
  return {{"sequences", static_cast<double>(report.sequences)},
          {"masked_positions", static_cast<double>(report.masked_positions)},
          {"temperature", report.temperature},
          {"teacher_accuracy", report.teacher.accuracy},
          {"student_initial_accuracy", report.student_initial.accuracy},
          {"student_accuracy", report.student.accuracy},
          {"accuracy_ratio", Ratio(report.student.accuracy, report.teacher.accuracy)},
          {"teacher_loss", report.teacher.loss},
          {"student_initial_loss", report.student_initial.loss},
          {"student_loss", report.student.loss},
          {"kl_initial", report.student_initial.kl},
          {"kl_final", report.student.kl},
          {"kl_tempered_initial", report.student_initial.kl_tempered},
          {"kl_tempered_final", report.student.kl_tempered},
          {"teacher_parameters", parameters(report.teacher_cost)},
          {"student_parameters", parameters(report.student_cost)},
          {"teacher_bytes", parameters(report.teacher_cost) * kBytesPerWeight},
          {"student_bytes", parameters(report.student_cost) * kBytesPerWeight},
          {"teacher_latency_ms", report.teacher_cost.latency_seconds * 1e3},
          {"student_latency_ms", report.student_cost.latency_seconds * 1e3},
          {"speedup", Ratio(report.teacher_cost.latency_seconds, report.student_cost.latency_seconds)}};
}

std::string TableOf(const EvaluationReport& report) {
  const auto megabytes = [](const ModelCost& cost) {
    return fmt::format("{:.1f}", static_cast<double>(cost.parameters * kBytesPerWeight) / 1e6);
  };
  const auto milliseconds = [](const ModelCost& cost) { return fmt::format("{:.2f}", cost.latency_seconds * 1e3); };
  const auto &teacher = report.teacher, &initial = report.student_initial, &student = report.student;
  std::string table =
      fmt::format("Held-out text: {} sequences, {} masked positions\n\n", report.sequences, report.masked_positions);
  table += Row("", "teacher", "student at start", "student");
  table += Row("masked-token accuracy", FourDecimals(teacher.accuracy), FourDecimals(initial.accuracy),
               FourDecimals(student.accuracy));
  table += Row("masked-token loss, nats", FourDecimals(teacher.loss), FourDecimals(initial.loss),
               FourDecimals(student.loss));
  table += Row("KL from teacher, T = 1", "-", FourDecimals(initial.kl), FourDecimals(student.kl));
  table += Row(fmt::format("KL from teacher, T = {}", report.temperature), "-", FourDecimals(initial.kl_tempered),
               FourDecimals(student.kl_tempered));
  table += Row("parameters", fmt::to_string(report.teacher_cost.parameters), "",
               fmt::to_string(report.student_cost.parameters));
  table += Row("fp32 weights, MB", megabytes(report.teacher_cost), "", megabytes(report.student_cost));
  table += Row(fmt::format("inference, {} tokens, ms", report.latency_tokens), milliseconds(report.teacher_cost), "",
               milliseconds(report.student_cost));
  table += fmt::format("\nThe student keeps {:.1f} % of the teacher's accuracy at {:.2f}x its speed.\n",
                       100 * Ratio(student.accuracy, teacher.accuracy),
                       Ratio(report.teacher_cost.latency_seconds, report.student_cost.latency_seconds));
  return table;
}

Status WriteReport(const EvaluationReport& report, const std::string& identity, const std::string& directory) {
  STILL_RETURN_IF_ERROR(
      WriteFileAtomically(JoinPath(directory, "report.json"), ReportJson(report, identity).dump(2) + "\n"));
  STILL_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(directory, "report.txt"), TableOf(report)));
  return WriteSummary(directory, SummaryOf(report));
}

}  // namespace still::worker
