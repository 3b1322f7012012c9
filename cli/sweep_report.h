// The report that compares the students of a sweep: a table as text, Markdown and JSON, and a picture.
#pragma once

#include <string>
#include <vector>

#include "coordinator/plan/sweep_results.h"

namespace still::cli {

struct SweepReport {
  std::string name;  // name of the pipeline
  std::vector<coordinator::VariantResult> variants;
};

std::string ReportText(const SweepReport& report);
// Links to the picture `svg`, a file in the same directory.
std::string ReportMarkdown(const SweepReport& report, const std::string& svg);
std::string ReportJson(const SweepReport& report);
std::string ReportSvg(const SweepReport& report);

// Returns the mean loss over the last twentieth of the steps, since the loss of one step says little. NaN without a
// step.
double FinalLoss(const coordinator::TrainingCurve& curve);

}  // namespace still::cli
