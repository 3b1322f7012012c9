#include "worker/train/trainer.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>
#include <utility>

#include "common/fault_point.h"
#include "common/files.h"
#include "common/log.h"
#include "common/random.h"
#include "worker/collective/agree.h"
#include "worker/exception_status.h"
#include "worker/train/exact_sum.h"

namespace still::worker {
namespace {

constexpr std::uint64_t kMaxSkippedInARow = 10;

std::size_t FlagCount(const TrainOptions& options) {
  return std::min<std::size_t>(options.sequences_per_step, kMaxTerms);  // a microbatch has a sequence at least
}

std::span<float> Flat(const at::Tensor& tensor) {
  return {tensor.mutable_data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
}

std::vector<float> Copy(std::span<const float> values) { return {values.begin(), values.end()}; }

double Share(double sum, std::int64_t positions) {
  return sum / static_cast<double>(std::max<std::int64_t>(positions, 1));
}

}  // namespace

std::string MetricsPath(const std::string& checkpoint_directory) {
  return JoinPath(checkpoint_directory, "training.jsonl");
}

Trainer::Trainer(const TrainingRun& run, ParameterSet& model, Communicator& world, ControlLink& control)
    : run_(run),
      model_(model),
      world_(world),
      control_(control),
      clock_(Clock::System()),
      parameters_(static_cast<std::size_t>(model.weights().numel())),
      optimizer_(run.options.optimizer, model.layout()),
      checkpoints_(run.checkpoint_directory, run.options.keep_checkpoints),
      sums_(parameters_ + kLossTerms + FlagCount(run.options)) {}

std::span<float> Trainer::weights() { return Flat(model_.weights()); }
std::span<float> Trainer::gradients() { return Flat(model_.gradients()); }

Status Trainer::Run() {
  STILL_RETURN_IF_ERROR(Restore());
  const std::uint64_t total = run_.planner.total_steps();
  while (step_ < total) {
    STILL_RETURN_IF_ERROR(Step());
    const std::uint64_t interval = run_.options.checkpoint_steps;
    if (step_ == total || (interval > 0 && step_ % interval == 0)) STILL_RETURN_IF_ERROR(SaveCheckpoint());
  }
  return Ok();
}

// Rank 0 decides which checkpoint counts; every rank reads it from disk and proves that it read the same.
Status Trainer::Restore() {
  FoundCheckpoint found;
  const auto find = [&]() -> Status {
    STILL_RETURN_IF_ERROR(MakeDirectories(run_.checkpoint_directory));
    STILL_RETURN_IF_ERROR(RemoveStaleTemporaries(run_.checkpoint_directory));
    STILL_ASSIGN_OR_RETURN(found, LoadNewestCheckpoint(run_.checkpoint_directory, run_.identity, model_.layout()));
    STILL_ASSIGN_OR_RETURN(metrics_, MetricsLog::Open(MetricsPath(run_.checkpoint_directory), found.state.info.step));
    return Ok();
  };
  STILL_RETURN_IF_ERROR(Agree(world_, world_.rank() == 0 ? find() : Ok()));
  STILL_RETURN_IF_ERROR(world_.Broadcast(&found.path, 0));
  if (found.path.empty()) return Ok();

  std::string digest = found.state.info.weights_digest;
  STILL_RETURN_IF_ERROR(world_.Broadcast(&digest, 0));
  const auto load = [&]() -> Status {
    STILL_ASSIGN_OR_RETURN(found.state, LoadCheckpoint(found.path, run_.identity, model_.layout()));
    if (found.state.info.weights_digest == digest) return Ok();
    return Error(Code::kDataLoss, "{}: this host and rank 0's see different checkpoints under this name", found.path);
  };
  STILL_RETURN_IF_ERROR(Agree(world_, world_.rank() == 0 ? Ok() : load()));

  const TrainingState& state = found.state;
  std::ranges::copy(state.weights, weights().begin());
  optimizer_.first_moment() = state.first_moment;
  optimizer_.second_moment() = state.second_moment;
  step_ = state.info.step;
  skipped_steps_ = state.info.skipped_steps;
  skipped_in_a_row_ = state.info.skipped_in_a_row;
  if (world_.rank() == 0) LogInfo("{}: continuing after step {} from {}", run_.name, step_, found.path);
  return Ok();
}

Status Trainer::Step() {
  const Clock::TimePoint started = clock_.Now();
  std::ranges::fill(sums_, 0);
  StepPlan plan;
  Status mine = std::exchange(pending_, Ok());
  if (mine.ok()) mine = FaultPoint(run_.name + ".step");
  if (mine.ok()) mine = AddMicrobatches(step_, &plan);
  // A rank that failed still takes part, so that the others learn of it at the vote instead of waiting for ever.
  const Status reduced = world_.AllReduceSum(sums_);
  if (mine.ok()) mine = reduced;
  if (mine.ok()) mine = FaultPoint(run_.name + ".vote");
  STILL_RETURN_IF_ERROR(Agree(world_, mine));

  // From here on every rank holds the same sums and does the same with them.
  StepMetrics metrics{.step = step_, .epoch = plan.epoch, .sequences = plan.sequences, .tokens = plan.tokens};
  STILL_RETURN_IF_ERROR(Apply(plan, &metrics));
  ++step_;
  metrics.seconds = SecondsSince(clock_, started);
  if (world_.rank() == 0) Report(metrics);
  return Ok();
}

Status Trainer::AddMicrobatches(std::uint64_t step, StepPlan* plan) {
  STILL_ASSIGN_OR_RETURN(*plan, run_.planner.Plan(step));
  for (const std::size_t index : ShareOfRank(*plan, world_.rank(), world_.size())) {
    Status added;
    try {
      added = AddMicrobatch(*plan, index);
    } catch (const std::exception& e) {
      added = StatusOfException(e);
    }
    if (!added.ok()) return added.WithContext(fmt::format("{}: step {}, microbatch {}", run_.name, step, index));
  }
  return Ok();
}

Status Trainer::AddMicrobatch(const StepPlan& plan, std::size_t index) {
  STILL_ASSIGN_OR_RETURN(const Batch batch, run_.source.Make(plan.microbatches[index], plan.variant));
  const Dropout dropout{.hidden = run_.options.dropout,
                        .attention = run_.options.attention_dropout,
                        .key = MixKey({run_.seed, plan.step, index})};
  model_.ZeroGradients();
  const at::Tensor hidden = EncoderForward(model_, batch.tokens, dropout, run_.compute);
  const LossSums losses = AccumulateGradients(model_, run_.teacher, hidden, batch.rows, batch.targets, plan.positions,
                                              run_.options.loss, run_.compute);
  const bool losses_good = AddLosses(losses, plan);
  const bool gradients_good = AddFixed(gradients(), gradient_sums());
  if (!losses_good || !gradients_good) bad_flags()[index] = 1;
  loss_sums()[kMasked] += batch.rows.masked_rows.numel();
  return Ok();
}

// Losses are summed as shares of the step's means, which keeps them in the range of fixed point; counts as they are.
bool Trainer::AddLosses(const LossSums& losses, const StepPlan& plan) {
  const double shares[] = {Share(losses.kl, plan.positions.targets), Share(losses.mlm, plan.positions.masked),
                           Share(losses.cosine, plan.positions.targets)};
  static_assert(kKl == 0 && kMlm == 1 && kCosine == 2);
  for (std::size_t term = kKl; term <= kCosine; ++term) {
    if (!(std::fabs(shares[term]) < kMaxTerm)) return false;
    loss_sums()[term] += ToFixed(shares[term]);
  }
  loss_sums()[kCorrect] += std::llround(losses.correct);
  return true;
}

Status Trainer::Apply(const StepPlan& plan, StepMetrics* metrics) {
  std::vector<std::size_t> bad;
  for (std::size_t i = 0; i < bad_flags().size(); ++i) {
    if (bad_flags()[i] != 0) bad.push_back(i);
  }
  metrics->learning_rate =
      LearningRate(step_, run_.planner.total_steps(), run_.options.learning_rate, run_.options.warmup_percent);
  metrics->skipped = !bad.empty();
  if (!bad.empty()) {
    metrics->loss = metrics->kl = metrics->mlm = metrics->cosine = metrics->masked_accuracy = metrics->gradient_norm =
        std::numeric_limits<double>::quiet_NaN();
    return Skip(plan, bad);
  }
  STILL_CHECK(loss_sums()[kMasked] == plan.positions.masked, "the plan and the masker disagree on masked positions");
  skipped_in_a_row_ = 0;

  metrics->kl = FromFixed(loss_sums()[kKl]);
  metrics->mlm = FromFixed(loss_sums()[kMlm]);
  metrics->cosine = FromFixed(loss_sums()[kCosine]);
  metrics->masked_accuracy = Share(static_cast<double>(loss_sums()[kCorrect]), plan.positions.masked);
  metrics->loss = StepLoss({.kl = metrics->kl, .mlm = metrics->mlm, .cosine = metrics->cosine},
                           {.targets = 1, .masked = 1}, run_.options.loss);  // these are means already
  FixedToFloat(gradient_sums(), gradients());
  pending_ = FaultPoint(run_.name + ".optimizer");
  metrics->gradient_norm = optimizer_.Step(weights(), gradients(), step_ - skipped_steps_, metrics->learning_rate);
  return Ok();
}

Status Trainer::Skip(const StepPlan& plan, const std::vector<std::size_t>& bad) {
  ++skipped_steps_;
  ++skipped_in_a_row_;
  if (world_.rank() == 0)
    LogWarn("{}: step {} skipped: microbatches {} gave losses or gradients that are not finite or above {}", run_.name,
            plan.step, fmt::join(bad, ", "), kMaxTerm);
  if (skipped_in_a_row_ < kMaxSkippedInARow) return Ok();
  return Error(
      Code::kInvalidArgument,
      "{}: {} steps in a row gave losses or gradients that are not finite or above {}, the last one step {} in "
      "microbatches {} (its sequences begin with {}); lower the learning rate",
      run_.name, skipped_in_a_row_, kMaxTerm, plan.step, fmt::join(bad, ", "),
      plan.microbatches[bad.front()].sequences.front());
}

void Trainer::Report(const StepMetrics& metrics) {
  tokens_ += metrics.tokens;
  const Status written = metrics_->Append(metrics);
  if (pending_.ok()) pending_ = written;
  control_.ReportProgress({.done = step_,
                           .total = run_.planner.total_steps(),
                           .unit = "steps",
                           .tokens = tokens_,
                           .values = {{"loss", metrics.loss}, {"kl", metrics.kl}, {"lr", metrics.learning_rate}}});
}

// Rank 0 writes, but only what all ranks hold: a rank whose weights differ computed something else.
Status Trainer::SaveCheckpoint() {
  const std::string digest = model_.WeightsDigest();
  std::string expected = digest;
  STILL_RETURN_IF_ERROR(world_.Broadcast(&expected, 0));
  Status mine = std::exchange(pending_, Ok());
  if (mine.ok() && digest != expected)
    mine =
        Error(Code::kInternal,
              "{}: after step {} the weights are {}, rank 0's are {}; a host computes wrongly or differently from the "
              "others",
              run_.name, step_, digest, expected);
  STILL_RETURN_IF_ERROR(Agree(world_, mine));
  const auto write = [&]() -> Status {
    STILL_RETURN_IF_ERROR(metrics_->Sync());
    return checkpoints_.Write({.info = {.step = step_,
                                        .seed = run_.seed,
                                        .generation = run_.generation,
                                        .identity = run_.identity,
                                        .skipped_steps = skipped_steps_,
                                        .skipped_in_a_row = skipped_in_a_row_,
                                        .weights_digest = digest},
                               .layout = model_.layout(),
                               .weights = Copy(weights()),
                               .first_moment = optimizer_.first_moment(),
                               .second_moment = optimizer_.second_moment()});
  };
  return Agree(world_, world_.rank() == 0 ? write() : Ok());
}

}  // namespace still::worker
