// Runs a plan on this machine: the stages whose artifact does not exist yet, in order. Safe to be killed at any instant
// and started again: what counts is on disk, as artifacts, and nothing else is remembered but the generation number.
//
//   <artifacts>/runs/<name>/  lock  generation  effective.yaml  task-<stage>.json  <stage>.log
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "cluster/launcher.h"
#include "common/clock.h"
#include "common/status.h"
#include "coordinator/plan.h"
#include "coordinator/stage_server.h"

namespace still::coordinator {

// Who shows what happens. Called from the driver's thread.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void OnStageStarted(const StagePlan& stage) = 0;
  virtual void OnProgress(const StagePlan& stage, const StageProgress& progress) = 0;
  virtual void OnStageFinished(const StagePlan& stage, double seconds, const Status& outcome) = 0;
};

struct StageOutcome {
  Stage stage = Stage::kCorpus;
  bool reused = false;
  double seconds = 0;
};

class PipelineDriver {
 public:
  // `config` is resolved (see PlanPipeline). `worker_program` is the path of still-worker. All must outlive the driver.
  PipelineDriver(const stillhouse::v1::PipelineConfig& config, std::string worker_program, cluster::Launcher& launcher,
                 const Clock& clock, RunObserver& observer);

  // UNAVAILABLE while another run of the same name is active; CANCELLED soon after `stop` becomes true. The corpus
  // stage, which runs in this process, is finished first.
  Result<std::vector<StageOutcome>> Run(const Plan& plan, const std::atomic<bool>& stop);

 private:
  Status Prepare();
  Status RunStage(const Plan& plan, const StagePlan& stage, const std::atomic<bool>& stop);
  Status BuildCorpusHere(const StagePlan& stage);
  Status LaunchStage(const Plan& plan, const StagePlan& stage, const std::atomic<bool>& stop);
  Result<std::string> WriteTask(const Plan& plan, const StagePlan& stage, std::uint64_t generation,
                                const std::string& endpoint) const;
  Result<std::uint64_t> NextGeneration() const;
  std::uint32_t ThreadsFor(Stage stage) const;

  const stillhouse::v1::PipelineConfig& config_;
  const std::string worker_program_;
  cluster::Launcher& launcher_;
  const Clock& clock_;
  RunObserver& observer_;
  ArtifactStore artifacts_;
  std::string run_directory_;
};

}  // namespace still::coordinator
