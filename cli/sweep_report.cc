#include "cli/sweep_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "cli/svg_plot.h"
#include "cli/table.h"
#include "cli/text.h"

namespace still::cli {
namespace {

using coordinator::TrainingCurve;
using coordinator::VariantResult;
using nlohmann::ordered_json;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr const char* kLegend =
    "LOSS is the variant's own weighted sum, averaged over the last twentieth of its steps. It is lower for variants "
    "that "
    "leave terms out. ACCURACY, MLM LOSS and KL are measured on held-out text at the masked positions and are "
    "comparable.";

double ValueOf(const Summary& numbers, const std::string& name) {
  const auto at = numbers.find(name);
  return at == numbers.end() ? kNone : at->second;
}

std::string Decimal(double value, int digits = 4) {
  return std::isfinite(value) ? fmt::format("{:.{}f}", value, digits) : "";
}

std::string Count(double value) {
  return std::isfinite(value) && value >= 0 ? WithThousands(static_cast<std::uint64_t>(value)) : "";
}

std::string NameOf(const SweepReport& report, const VariantResult& result) {
  return result.artifacts.variant.empty() ? report.name : result.artifacts.variant;
}

// Returns the numbers of the first evaluated variant, or null. A sweep may have several teachers.
const Summary* TeacherOf(const SweepReport& report) {
  for (const VariantResult& result : report.variants) {
    if (!result.evaluation.empty()) return &result.evaluation;
  }
  return nullptr;
}

bool HasOneTeacher(const SweepReport& report) {
  const Summary* teacher = TeacherOf(report);
  return teacher != nullptr && std::ranges::all_of(report.variants, [&](const VariantResult& result) {
           return result.evaluation.empty() ||
                  ValueOf(result.evaluation, "teacher_accuracy") == ValueOf(*teacher, "teacher_accuracy");
         });
}

Table TableOf(const SweepReport& report) {
  Table table({{"VARIANT"},
               {"STEPS", Align::kRight},
               {"LOSS", Align::kRight},
               {"ACCURACY", Align::kRight},
               {"OF TEACHER'S", Align::kRight},
               {"MLM LOSS", Align::kRight},
               {"KL", Align::kRight},
               {"PARAMETERS", Align::kRight},
               {"WEIGHTS SHA-256"}});
  if (HasOneTeacher(report)) {
    const Summary& teacher = *TeacherOf(report);
    table.Add({"(teacher)", "", "", Decimal(ValueOf(teacher, "teacher_accuracy")), "",
               Decimal(ValueOf(teacher, "teacher_loss")), "", Count(ValueOf(teacher, "teacher_parameters")), ""});
  }
  for (const VariantResult& result : report.variants) {
    const Summary& held_out = result.evaluation;
    const double ratio = ValueOf(held_out, "accuracy_ratio");
    const bool made = !result.training.empty() || !held_out.empty();
    table.Add({NameOf(report, result), Count(ValueOf(result.training, "steps")), Decimal(FinalLoss(result.curve), 3),
               Decimal(ValueOf(held_out, "student_accuracy")),
               std::isfinite(ratio) ? fmt::format("{:.1f} %", 100 * ratio) : "",
               Decimal(ValueOf(held_out, "student_loss")), Decimal(ValueOf(held_out, "kl_final")),
               Count(ValueOf(held_out, "student_parameters")), made ? result.weights_sha256 : "not made yet"});
  }
  return table;
}

LineSeries SeriesOf(const SweepReport& report, const VariantResult& result,
                    std::vector<double> TrainingCurve::*values) {
  const LineSeries raw{NameOf(report, result), result.curve.step, result.curve.*values};
  return Smoothed(raw, raw.x.size() / 20);
}

}  // namespace

double FinalLoss(const TrainingCurve& curve) {
  const std::size_t count = std::max<std::size_t>(1, curve.loss.size() / 20);
  if (curve.loss.empty()) return kNone;
  double sum = 0;
  for (std::size_t i = curve.loss.size() - count; i < curve.loss.size(); ++i) sum += curve.loss[i];
  return sum / static_cast<double>(count);
}

std::string ReportText(const SweepReport& report) {
  return fmt::format("{}\n\n{}\n{}\n", Escaped(report.name), TableOf(report).Text(), kLegend);
}

std::string ReportMarkdown(const SweepReport& report, const std::string& svg) {
  return fmt::format("# {0}\n\n{1}\n{2}\n\n![Training loss of the variants, and their accuracy]({3})\n",
                     Escaped(report.name), TableOf(report).Markdown(), kLegend, svg);
}

std::string ReportJson(const SweepReport& report) {
  ordered_json json = {{"name", report.name}, {"variants", ordered_json::array()}};
  for (const VariantResult& result : report.variants) {
    ordered_json variant = {{"variant", NameOf(report, result)},
                            {"made", !result.training.empty()},
                            {"evaluated", !result.evaluation.empty()},
                            {"student", result.artifacts.student},
                            {"report", result.artifacts.report},
                            {"artifacts_root", result.artifacts.root},
                            {"weights_sha256", result.weights_sha256},
                            {"final_loss", FinalLoss(result.curve)},
                            {"training", result.training},
                            {"evaluation", result.evaluation}};
    json["variants"].push_back(std::move(variant));
  }
  return json.dump(2) + "\n";  // writes NaN as null
}

std::string ReportSvg(const SweepReport& report) {
  LineChart loss{.title = "Training loss, each variant's own weights", .x_title = "step (moving mean)", .series = {}};
  LineChart mlm{.title = "MLM loss on training text, nats", .x_title = "step (moving mean)", .series = {}};
  BarChart bars{.title = "Held-out accuracy at masked positions", .bars = {}, .reference = {}, .reference_label = ""};
  for (const VariantResult& result : report.variants) {
    loss.series.push_back(SeriesOf(report, result, &TrainingCurve::loss));
    mlm.series.push_back(SeriesOf(report, result, &TrainingCurve::mlm));
    const double accuracy = ValueOf(result.evaluation, "student_accuracy");
    bars.bars.push_back({NameOf(report, result), std::isfinite(accuracy) ? std::optional(accuracy) : std::nullopt});
  }
  if (HasOneTeacher(report)) {
    bars.reference = ValueOf(*TeacherOf(report), "teacher_accuracy");
    bars.reference_label = "teacher";
  }
  return SvgOf(report.name, {loss, mlm}, bars);
}

}  // namespace still::cli
