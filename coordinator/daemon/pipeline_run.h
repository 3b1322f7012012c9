// A pipeline on this machine, from start to end: `still run`.
//
//   <artifacts>/runs/<name>/lock
//   <artifacts>/runs/<name>/effective.yaml
//   <artifacts>/runs/<name>/task-<stage>.json
//   <artifacts>/runs/<name>/<stage>.log
//   <artifacts>/runs/<name>/journal/             (journal.h)
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "cluster/launcher.h"
#include "common/clock.h"
#include "common/enum_words.h"
#include "common/proto/coordinator.pb.h"
#include "common/status.h"
#include "coordinator/plan/plan.h"

namespace still::coordinator {

// RunObserver shows the run to its user. The thread that runs the pipeline makes every call.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void OnStageStarted(const StagePlan& stage) = 0;
  virtual void OnProgress(const StagePlan& stage, const v1::Progress& progress) = 0;
  // A death that was recovered from: "rank 1 died in compute of step 17; generation 4 goes on in place with 2 ranks".
  virtual void OnRecovery(const StagePlan& stage, const std::string& text) = 0;
  // Reports that checkpoints cannot be stored while the work goes on. An empty text says that they can again.
  virtual void OnStorageTrouble(const StagePlan& stage, const std::string& text) = 0;
  virtual void OnStageFinished(const StagePlan& stage, double seconds, const Status& outcome) = 0;
};

struct StageOutcome {
  v1::Stage stage = v1::STAGE_CORPUS;
  bool reused = false;
  double seconds = 0;
};

// PipelineRun embeds a coordinator with its journal and agents. This machine is the only host, and one job runs at a
// time. One thread uses the object. A kill at any instant is safe: artifacts and the journals of unfinished jobs are on
// disk, and the next run of the same name continues from them.
class PipelineRun {
 public:
  // `config` is resolved (see PlanPipeline). `worker_program` is the path of still-worker. All references must outlive
  // the run.
  PipelineRun(const v1::PipelineConfig& config, std::string worker_program, cluster::Launcher& launcher, Clock& clock,
              RunObserver& observer);

  // Runs the stages up to `last` and returns what became of each. UNAVAILABLE while another run of the same name is
  // active. CANCELLED after `stops`, the number of requests to stop, becomes positive. The first request lets training
  // finish and publish its step, and lets the corpus stage finish. The second one waits for nothing.
  Result<std::vector<StageOutcome>> Run(const Plan& plan, const std::atomic<int>& stops,
                                        v1::Stage last = v1::STAGE_EXPORT);

 private:
  // Returns the submission: one job per stage up to `last`, each after the one before it.
  Result<v1::Submit> SubmissionOf(const Plan& plan, v1::Stage last) const;

  const v1::PipelineConfig& config_;
  const std::string worker_program_;
  cluster::Launcher& launcher_;
  Clock& clock_;
  RunObserver& observer_;
  const std::string run_directory_;
};

}  // namespace still::coordinator
