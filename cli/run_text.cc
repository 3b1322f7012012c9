#include "cli/run_text.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/text.h"

namespace still::cli {
namespace {

using nlohmann::ordered_json;

struct Row {
  v1::Stage stage;
  std::string_view label;
  std::string_view pattern;  // see FillPattern; a row with a missing number is left out
};

constexpr Row kRows[] = {
    {v1::STAGE_CORPUS, "Wikipedia",
     "{pages} pages: {articles} articles, {redirects} redirects; {sha1_verified} sha1 verified"},
    {v1::STAGE_CORPUS, "books", "{books}"},
    {v1::STAGE_CORPUS, "corpus",
     "{tokens} tokens in {train_sequences} training and {heldout_sequences} held-out sequences"},
    {v1::STAGE_TEACHER, "teacher fit",
     "{steps} steps, {tokens_per_second} tokens/s; MLM loss {loss_first:3} -> {loss_last:3}"},
    {v1::STAGE_TARGETS, "targets", "{positions} positions, {bytes_per_position:1} bytes each, {bytes:MB}"},
    {v1::STAGE_TRAIN, "training", "{steps} steps, {tokens_per_second} tokens/s"},
    {v1::STAGE_TRAIN, "training loss", "{loss_first:3} -> {loss_last:3}"},
    {v1::STAGE_TRAIN, "training KL", "{kl_first:3} -> {kl_last:3}"},
    {v1::STAGE_EVALUATE, "held-out accuracy",
     "teacher {teacher_accuracy:3}, student {student_initial_accuracy:3} -> {student_accuracy:3}, ratio "
     "{accuracy_ratio:3}"},
    {v1::STAGE_EVALUATE, "held-out MLM loss", "teacher {teacher_loss:3}, student {student_loss:3}"},
    {v1::STAGE_EVALUATE, "held-out KL", "{kl_initial:3} -> {kl_final:3}"},
    {v1::STAGE_EVALUATE, "parameters", "teacher {teacher_parameters}, student {student_parameters}"},
    {v1::STAGE_EVALUATE, "size", "teacher {teacher_bytes:MB}, student {student_bytes:MB}"},
    {v1::STAGE_EVALUATE, "one inference",
     "teacher {teacher_latency_ms:2} ms, student {student_latency_ms:2} ms, {speedup:2} times as fast"},
};

std::string Line(std::string_view label, std::string_view text) { return fmt::format("  {:<18} {}\n", label, text); }

bool IsWhole(double value) { return std::floor(value) == value && std::abs(value) < 0x1p53; }

// Writes whole numbers as integers: 206, not 206.0.
ordered_json NumbersOf(const Summary& numbers) {
  ordered_json json = ordered_json::object();
  for (const auto& [name, value] : numbers) {
    if (IsWhole(value)) {
      json[name] = static_cast<std::int64_t>(value);
    } else {
      json[name] = value;
    }
  }
  return json;
}

}  // namespace

std::string PlanText(const std::string& name, const coordinator::Plan& plan) {
  std::string text = fmt::format("plan of {}\n", name);
  for (const coordinator::StagePlan& stage : plan) {
    text += fmt::format("  {:<9} {}  {}  {}\n", EnumWord(stage.stage), stage.digest, stage.exists ? "reuse" : "build",
                        stage.description);
  }
  return text;
}

std::string SummaryText(const coordinator::RunSummary& summary) {
  std::string text = "summary\n";
  for (const Row& row : kRows) {
    const auto numbers = summary.numbers.find(row.stage);
    if (numbers == summary.numbers.end()) continue;
    const std::string filled = FillPattern(row.pattern, numbers->second);
    if (!filled.empty()) text += Line(row.label, filled);
  }
  if (!summary.weights_sha256.empty()) text += Line("weights SHA-256", summary.weights_sha256);
  if (!summary.report_directory.empty()) text += Line("report", summary.report_directory);
  if (!summary.export_directory.empty()) text += Line("export", summary.export_directory);
  return text;
}

std::string PlanJson(const std::string& name, const coordinator::Plan& plan, const std::string& effective_config) {
  ordered_json json = {{"name", name}, {"plan", ordered_json::array()}};
  for (const coordinator::StagePlan& stage : plan) {
    json["plan"].push_back({{"stage", EnumWord(stage.stage)},
                            {"digest", stage.digest},
                            {"action", stage.exists ? "reuse" : "build"},
                            {"description", stage.description}});
  }
  json["config"] = ordered_json::parse(effective_config);
  return json.dump(2) + "\n";
}

std::string RunJson(const std::string& name, const coordinator::Plan& plan,
                    const std::vector<coordinator::StageOutcome>& outcomes, const coordinator::RunSummary& summary) {
  ordered_json json = {{"name", name}, {"stages", ordered_json::array()}, {"summary", ordered_json::object()}};
  for (const coordinator::StageOutcome& outcome : outcomes) {
    json["stages"].push_back({{"stage", EnumWord(outcome.stage)},
                              {"digest", coordinator::PlanOf(plan, outcome.stage).digest},
                              {"reused", outcome.reused},
                              {"seconds", outcome.seconds}});
  }
  for (const auto& [stage, numbers] : summary.numbers) json["summary"][EnumWord(stage)] = NumbersOf(numbers);
  json["weights_sha256"] = summary.weights_sha256;
  json["student"] = summary.student_directory;
  json["report"] = summary.report_directory;
  json["export"] = summary.export_directory;
  return json.dump(2) + "\n";
}

std::string NumbersText(const Summary& numbers) {
  std::string text;
  for (const auto& [name, value] : numbers) {
    text += fmt::format(
        "{:<24} {}\n", name,
        IsWhole(value) && value >= 0 ? WithThousands(static_cast<std::uint64_t>(value)) : fmt::format("{:.6g}", value));
  }
  return text;
}

std::string NumbersJson(const Summary& numbers) { return NumbersOf(numbers).dump(2) + "\n"; }

}  // namespace still::cli
