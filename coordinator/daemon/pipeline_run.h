// A pipeline on this machine, from start to end: `still run`. The coordinator's own core, journal and agents, embedded,
// with this machine as the only host and one job at a time. Safe to be killed at any instant and started again: what
// counts is on disk, as artifacts and, of those in the making, in their jobs' journals.
//
//   <artifacts>/runs/<name>/           lock  effective.yaml  task-<stage>.json  <stage>.log  journal/ (journal.h)
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "cluster/launcher.h"
#include "common/clock.h"
#include "common/proto/coordinator.pb.h"
#include "common/status.h"
#include "common/vocabulary.h"
#include "coordinator/plan/plan.h"

namespace still::coordinator {

// Who shows what happens. Called from the thread that runs the pipeline.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void OnStageStarted(const StagePlan& stage) = 0;
  virtual void OnProgress(const StagePlan& stage, const v1::Progress& progress) = 0;
  // A death that was recovered from: "rank 1 died in compute of step 17; generation 4 goes on in place with 2 ranks".
  virtual void OnRecovery(const StagePlan& stage, const std::string& text) = 0;
  // Checkpoints cannot be kept while the work goes on; an empty text: it is over.
  virtual void OnStorageTrouble(const StagePlan& stage, const std::string& text) = 0;
  virtual void OnStageFinished(const StagePlan& stage, double seconds, const Status& outcome) = 0;
};

struct StageOutcome {
  Stage stage = Stage::kCorpus;
  bool reused = false;
  double seconds = 0;
};

class PipelineRun {
 public:
  // `config` is resolved (see PlanPipeline). `worker_program` is the path of still-worker. All must outlive the run.
  PipelineRun(const stillhouse::v1::PipelineConfig& config, std::string worker_program, cluster::Launcher& launcher,
              Clock& clock, RunObserver& observer);

  // UNAVAILABLE while another run of the same name is active. CANCELLED after `stops`, the number of requests to stop,
  // becomes positive: training first finishes its step and publishes it; after a second request nothing is waited for.
  // The corpus stage is finished first. Stages after `last` are left alone.
  Result<std::vector<StageOutcome>> Run(const Plan& plan, const std::atomic<int>& stops, Stage last = Stage::kExport);

 private:
  Result<stillhouse::v1::Submit> SubmissionOf(const Plan& plan, Stage last) const;

  const stillhouse::v1::PipelineConfig& config_;
  const std::string worker_program_;
  cluster::Launcher& launcher_;
  Clock& clock_;
  RunObserver& observer_;
  const std::string run_directory_;
};

}  // namespace still::coordinator
