// The expansion of the pipelines of one file into a submission. Each artifact has one job, also when several variants
// of a sweep need it. A job depends on the jobs that make the inputs of its artifact. Artifacts that exist have a job
// as well: the coordinator ends it as reused, which shows in its views.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/config/pipeline_config.h"
#include "common/proto/config.pb.h"
#include "common/proto/coordinator.pb.h"
#include "common/status.h"
#include "coordinator/plan/plan.h"

namespace still::coordinator {

struct PlannedVariant {
  std::string name;           // in the sweep; empty when the pipeline is not a sweep
  v1::PipelineConfig config;  // resolved (PlanPipeline)
  Plan plan;
};

// Plans each variant like PlanPipeline(). Reads the inputs that variants share once.
Result<std::vector<PlannedVariant>> PlanVariants(const std::vector<PipelineVariant>& variants);

struct SubmitOptions {
  std::string key;  // of the submission, see DrawKey()
  std::string owner;
  std::int32_t priority = 0;
  bool held = false;
  bool attach = false;        // jobs on several ranks wait for a manual mpirun
  std::uint32_t retries = 3;  // of each job, see JobSpec
};

// A submission, and which variant needs which of its jobs.
struct Expansion {
  v1::Submit submit;
  std::vector<std::vector<std::size_t>> jobs_of;  // by variant and stage: the index into submit.jobs
  std::vector<bool> exists;                       // by job: whether the artifact existed when the plan was made
};

// Returns the submission of all variants. A job is named "<pipeline>/<stage>". If the sweep has several jobs of that
// stage, the name holds the first variant that needs it: "<pipeline>/<variant>/<stage>". INVALID_ARGUMENT: a variant
// has the name of a stage, or two have one name.
Result<Expansion> ExpandPipelines(const std::string& pipeline, const std::vector<PlannedVariant>& variants,
                                  const SubmitOptions& options);

}  // namespace still::coordinator
