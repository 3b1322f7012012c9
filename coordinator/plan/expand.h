// From the pipelines of one file to what is submitted: one job an artifact, also when several variants of a sweep need
// it. A job depends on those that make what the identity of its own artifact names. Artifacts that exist have a job as
// well: the coordinator ends it as reused, where everybody can see it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/config/pipeline_sweep.h"
#include "common/proto/config.pb.h"
#include "common/proto/coordinator.pb.h"
#include "common/status.h"
#include "coordinator/plan/plan.h"

namespace still::coordinator {

struct PlannedVariant {
  std::string name;                       // in the sweep; empty: there is none
  stillhouse::v1::PipelineConfig config;  // resolved (PlanPipeline)
  Plan plan;
};

// As PlanPipeline for each of them; what they share is read once.
Result<std::vector<PlannedVariant>> PlanVariants(const std::vector<PipelineVariant>& variants);

struct SubmitOptions {
  std::string key;  // of the submission
  std::string owner;
  std::int32_t priority = 0;
  bool held = false;
  bool attach = false;        // what runs on several ranks waits for an mpirun that a person types
  std::uint32_t retries = 3;  // of each job, see JobSpec
};

// Which variant needs which job.
struct Expansion {
  stillhouse::v1::Submit submit;
  std::vector<std::vector<std::size_t>> jobs_of;  // by variant and stage: index into submit.jobs
  std::vector<bool> exists;                       // by job: its artifact was there when the plan was made
};

// Jobs are named "<pipeline>/<stage>" where the whole sweep has one of the stage, else
// "<pipeline>/<first variant that needs it>/<stage>". INVALID_ARGUMENT: a variant has the name of a stage.
Result<Expansion> ExpandPipelines(const std::string& pipeline, const std::vector<PlannedVariant>& variants,
                                  const SubmitOptions& options);

}  // namespace still::coordinator
