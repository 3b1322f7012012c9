// The training loop, which repeats the exact step. One loop serves the distillation of a student and the
// masked-language-model fit of a teacher's head (no targets, alpha_ce = alpha_cos = 0).
//
// In a step every rank adds the gradients of its microbatches, rounded, to int64 sums. One all-reduce and a vote
// follow. Only then does every rank apply the same update to its copy of the weights. So the weights after step s are a
// function of the configuration alone. They depend neither on the number of ranks nor on how often the run was killed
// and started.
//
// When a rank dies, the vote fails on all others alike. If the communicator can shrink, they go on without the dead
// rank. They compute the microbatches that no sum holds any more (survivors.h), then reduce and vote again: the same
// step, the same bits. Otherwise, or when that fails too often, the launch ends and the next one continues from the
// newest state.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/status.h"
#include "worker/checkpoint/training_state.h"
#include "worker/collective/communicator.h"
#include "worker/control/control_link.h"
#include "worker/guardian/shared_progress.h"
#include "worker/model/parameters.h"
#include "worker/train/batch_source.h"
#include "worker/train/metrics_log.h"
#include "worker/train/optimizer.h"
#include "worker/train/state_keeper.h"
#include "worker/train/step_plan.h"
#include "worker/train/step_sums.h"
#include "worker/train/step_terms.h"
#include "worker/train/survivors.h"
#include "worker/train/tensor_state.h"
#include "worker/train/train_options.h"

namespace still::worker {

// The inputs of a run. The references outlive the trainer.
struct TrainingRun {
  std::string name;      // "train" or "teacher": prefix of messages
  std::string identity;  // digest of the artifact in the making
  std::uint64_t seed = 0;
  std::uint64_t sequences = 0;  // per epoch
  TrainOptions options;
  KeeperOptions keeper;
  Compute compute;
  const StepPlanner& planner;
  const BatchSource& source;
  const ParameterSet* teacher = nullptr;  // the frozen head for hidden targets
};

// Returns the path of a run's log of steps.
std::string MetricsPath(const std::string& checkpoint_directory);

// Trains one model. Every rank has a trainer and makes the same calls. Owned by one thread.
class Trainer {
 public:
  // `model` holds the initial weights, is trained in place and outlives the trainer.
  Trainer(const TrainingRun& run, ParameterSet& model, Communicator& world, ControlLink& control,
          ProgressWriter& progress);

  // Collective. Trains from the newest state, or from the initial weights, to the last step, which leaves a checkpoint.
  // CANCELLED, with a checkpoint, when a drain was asked for. A failure is the same on every rank, but for UNAVAILABLE
  // and ABORTED, after which this process must end.
  Status Run();

 private:
  Status Restore();
  Status OpenMetrics();
  Status TakeOverMetrics();
  Status Step();
  Status AddMicrobatches(const StepPlan& plan, const std::vector<std::size_t>& share);
  Status AddMicrobatch(const StepPlan& plan, std::size_t index);
  void AddResults(const StepPlan& plan, const std::vector<std::size_t>& share);
  bool AddLosses(const LossSums& losses, const StepPlan& plan);
  void AddRequests();
  Status ReduceAndVote(const StepPlan& plan, Status mine);
  Status RecoverInPlace(const StepPlan& plan, const Status& mine);
  Status Apply(const StepPlan& plan, StepMetrics* metrics);
  Status Skip(const StepPlan& plan, const std::vector<std::size_t>& bad);
  void Audit(const StepPlan& plan);
  std::string LogPath() const;  // empty where there is none
  void RecordMine(const Status& status);
  void Report(const StepMetrics& metrics);

  at::Tensor WatchedWeights() const;
  // Returns true on the leading rank, which may be another one after a death.
  bool leads() const { return world_.rank() == 0; }

  const TrainingRun run_;
  ParameterSet& model_;
  Communicator& world_;
  ControlLink& control_;
  ProgressWriter& progress_;
  Clock& clock_;
  AdamW optimizer_;
  TensorState live_;
  const StepTerms terms_;
  const at::Tensor results_;  // double [flags, kLossTerms + 1], on the device: each microbatch's sums, and if it is bad
  StepSums sums_;
  Survivors survivors_;
  RankCosts costs_;
  StateKeeper keeper_;
  std::unique_ptr<MetricsLog> metrics_;  // on the leading rank only
  std::optional<StepMetrics> last_;      // of the last step

  v1::CheckpointInfo state_;           // step completed, counters
  std::optional<std::int64_t> watch_;  // of this step: what the ranks compare
  std::vector<char> computed_;         // this step's microbatches in this rank's sums
  std::uint64_t tokens_ = 0;           // in this launch
  Clock::TimePoint reported_;          // the last step
  double snapshot_seconds_ = 0;        // of the last step
  Status pending_;                     // a failure of this rank alone after a vote, told at the next one
};

}  // namespace still::worker
