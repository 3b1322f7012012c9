// Plans, finished runs and the numbers of an artifact, as text for people and as one JSON object for programs.
#pragma once

#include <string>
#include <vector>

#include "coordinator/daemon/pipeline_run.h"
#include "coordinator/plan/plan.h"
#include "coordinator/plan/run_summary.h"

namespace still::cli {

std::string PlanText(const std::string& name, const coordinator::Plan& plan);
std::string SummaryText(const coordinator::RunSummary& summary);

// `effective_config` is the complete configuration as JSON.
std::string PlanJson(const std::string& name, const coordinator::Plan& plan, const std::string& effective_config);
std::string RunJson(const std::string& name, const coordinator::Plan& plan,
                    const std::vector<coordinator::StageOutcome>& outcomes, const coordinator::RunSummary& summary);

// The numbers that one artifact carries.
std::string NumbersText(const Summary& numbers);
std::string NumbersJson(const Summary& numbers);

}  // namespace still::cli
