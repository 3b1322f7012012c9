// The exact step, over and over. One loop serves the distillation of a student and the masked-language-model fit of a
// teacher's head (no targets, alpha_ce = alpha_cos = 0).
//
// A step: every rank adds the gradients of its microbatches, rounded, into int64 sums; one all-reduce; a vote; only
// then does every rank make the same update of its copy of the weights. So the weights after step s are a function of
// the configuration alone, whatever the number of ranks and however often the run was killed and started again.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/status.h"
#include "worker/checkpoint/training_state.h"
#include "worker/collective/communicator.h"
#include "worker/control_link.h"
#include "worker/model/parameters.h"
#include "worker/task.h"
#include "worker/train/batch_source.h"
#include "worker/train/metrics_log.h"
#include "worker/train/optimizer.h"
#include "worker/train/step_plan.h"

namespace still::worker {

// What a run is made of. References outlive the trainer.
struct TrainingRun {
  std::string name;                  // "train" or "teacher": prefix of fault points and messages
  std::string identity;              // digest of the artifact in the making
  std::string checkpoint_directory;  // also holds training.jsonl
  std::uint64_t generation = 0;
  std::uint64_t seed = 0;
  TrainOptions options;
  Compute compute;
  const StepPlanner& planner;
  const BatchSource& source;
  const ParameterSet* teacher = nullptr;  // the frozen head for hidden targets
};

// Where a run's log stands.
std::string MetricsPath(const std::string& checkpoint_directory);

// Owned by one thread; every rank has one and makes the same calls.
class Trainer {
 public:
  // `model` holds the initial weights, is trained in place and outlives the trainer.
  Trainer(const TrainingRun& run, ParameterSet& model, Communicator& world, ControlLink& control);

  // Collective. From the newest checkpoint, or from the initial weights, to the last step, which leaves a checkpoint. A
  // failure is the same on every rank.
  Status Run();

 private:
  // Layout of sums_: gradients, then the terms below, then one flag a microbatch. Its size does not depend on the step,
  // so that a rank that could not even plan it still takes part in the all-reduce.
  enum LossTerm : std::size_t { kKl, kMlm, kCosine, kCorrect, kMasked, kLossTerms };

  Status Restore();
  Status Step();
  Status AddMicrobatches(std::uint64_t step, StepPlan* plan);
  Status AddMicrobatch(const StepPlan& plan, std::size_t index);
  bool AddLosses(const LossSums& losses, const StepPlan& plan);
  Status Apply(const StepPlan& plan, StepMetrics* metrics);
  Status Skip(const StepPlan& plan, const std::vector<std::size_t>& bad);
  void Report(const StepMetrics& metrics);
  Status SaveCheckpoint();

  std::span<float> weights();
  std::span<float> gradients();
  std::span<std::int64_t> gradient_sums() { return std::span(sums_).first(parameters_); }
  std::span<std::int64_t> loss_sums() { return std::span(sums_).subspan(parameters_, kLossTerms); }
  std::span<std::int64_t> bad_flags() { return std::span(sums_).subspan(parameters_ + kLossTerms); }

  const TrainingRun run_;
  ParameterSet& model_;
  Communicator& world_;
  ControlLink& control_;
  Clock& clock_;
  const std::size_t parameters_;
  AdamW optimizer_;
  CheckpointWriter checkpoints_;
  std::unique_ptr<MetricsLog> metrics_;  // rank 0 only
  std::vector<std::int64_t> sums_;

  std::uint64_t step_ = 0;  // completed
  std::uint64_t skipped_steps_ = 0;
  std::uint64_t skipped_in_a_row_ = 0;
  std::uint64_t tokens_ = 0;  // in this launch
  Status pending_;            // what this rank alone met after a vote; told at the next one
};

}  // namespace still::worker
