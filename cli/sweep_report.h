// The students of a sweep side by side: a table for people, the same in Markdown and JSON, and a picture.
#pragma once

#include <string>
#include <vector>

#include "coordinator/plan/sweep_results.h"

namespace still::cli {

struct SweepReport {
  std::string name;  // of the pipeline
  std::vector<coordinator::VariantResult> variants;
};

std::string ReportText(const SweepReport& report);
// With a link to the picture, a file `svg` beside it.
std::string ReportMarkdown(const SweepReport& report, const std::string& svg);
std::string ReportJson(const SweepReport& report);
std::string ReportSvg(const SweepReport& report);

// The loss a run ended with: the mean of its last twentieth of steps, since one small step's loss says little.
// NaN without a step.
double FinalLoss(const coordinator::TrainingCurve& curve);

}  // namespace still::cli
