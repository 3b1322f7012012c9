#include "worker/train/trainer.h"

#include <ATen/ops/zeros.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>
#include <utility>

#include "common/crc32c.h"
#include "common/digest.h"
#include "common/faults/fault_point.h"
#include "common/log.h"
#include "common/random.h"
#include "common/storage/files.h"
#include "worker/collective/agree.h"
#include "worker/device/exact_sum.h"
#include "worker/device/host_copies.h"
#include "worker/device/kernels.h"
#include "worker/model/exception_status.h"
#include "worker/train/audit.h"
#include "worker/train/batch_upload.h"
#include "worker/train/learning_rate.h"

namespace still::worker {
namespace {

constexpr std::uint64_t kMaxSkippedInARow = 10;
constexpr int kMaxRecoveriesAStep = 3;
constexpr std::int64_t kWatchFloats = 1 << 16;  // weights that ranks compare at every step

std::size_t FlagCount(const TrainOptions& options) {
  return std::min<std::size_t>(options.sequences_per_step, kMaxTerms);  // a microbatch has at least one sequence
}

double Share(double sum, std::int64_t positions) {
  return sum / static_cast<double>(std::max<std::int64_t>(positions, 1));
}

// Returns a checksum whose sum over ranks cannot overflow.
std::int64_t Watch(const at::Tensor& weights) { return Crc32c(std::as_bytes(HostSpan<float>(weights))); }

// Turns RESOURCE_EXHAUSTED into a warning. The log of steps is no reason to stop, and a full disk may have space later.
Status WithoutFullDisk(const Status& status) {
  if (status.code() != Code::kResourceExhausted) return status;
  LogWarn("the log of steps is not complete: {}", status.message());
  return Ok();
}

}  // namespace

std::string MetricsPath(const std::string& checkpoint_directory) {
  return JoinPath(checkpoint_directory, "training.jsonl");
}

Trainer::Trainer(const TrainingRun& run, ParameterSet& model, Communicator& world, ControlLink& control,
                 ProgressWriter& progress)
    : run_(run),
      model_(model),
      world_(world),
      control_(control),
      progress_(progress),
      clock_(Clock::System()),
      optimizer_(run.options.optimizer, model.layout(), model.weights().device()),
      live_(model.weights(), optimizer_.first_moment(), optimizer_.second_moment()),
      terms_(world.size(), FlagCount(run.options)),
      results_(at::zeros({static_cast<std::int64_t>(terms_.flags()), kLossTerms + 1},
                         model.weights().options().dtype(at::kDouble))),
      sums_({.gradients = model.weights().numel(),
             .terms = terms_.size(),
             .fast = run.options.fast_reduction,
             .keep_own = world.can_shrink(),
             .device = model.weights().device()}),
      survivors_(world, control, run.keeper.generation),
      costs_(world.size()),
      keeper_(run.keeper, run.identity, model.layout(), world, control, progress),
      computed_(terms_.flags()) {
  state_.set_seed(run.seed);
  state_.set_identity(run.identity);
}

// Returns the window of the weights that ranks compare at this step. It moves on with every step.
at::Tensor Trainer::WatchedWeights() const {
  const at::Tensor& weights = model_.weights();
  const std::int64_t windows = (weights.numel() + kWatchFloats - 1) / kWatchFloats;
  const std::int64_t begin = static_cast<std::int64_t>(state_.step()) % windows * kWatchFloats;
  return weights.narrow(0, begin, std::min(kWatchFloats, weights.numel() - begin));
}

Status Trainer::Run() {
  STILL_RETURN_IF_ERROR(Restore());
  const std::uint64_t total = run_.planner.total_steps();
  bool drained = false;
  while (state_.step() < total && !drained) {
    STILL_RETURN_IF_ERROR(Step());
    drained = sums_.totals()[StepTerms::kDrain] > 0;
  }
  STILL_RETURN_IF_ERROR(std::exchange(pending_, Ok()));
  STILL_RETURN_IF_ERROR(keeper_.Finish(state_, live_, LogPath()));
  progress_.Enter(v1::PHASE_WAIT);  // the leading rank makes the artifact, the others wait
  STILL_RETURN_IF_ERROR(Agree(world_, metrics_ ? metrics_->Flush() : Ok()));
  if (state_.step() == total) return Ok();
  // The next launch finds the same state on disk, and there may never be one, so the snapshots go.
  if (Agree(world_, keeper_.CheckPublished(state_.step())).ok()) keeper_.RemoveSnapshots();
  return Error(Code::kCancelled, "{}: stopped after step {} of {}", run_.name, state_.step(), total);
}

Status Trainer::Restore() {
  progress_.Enter(v1::PHASE_RESTORE);
  STILL_ASSIGN_OR_RETURN(const std::optional<v1::CheckpointInfo> restored, keeper_.Restore(live_));
  if (restored) state_ = *restored;
  state_.set_generation(survivors_.generation());
  keeper_.StartAt(state_.step());
  reported_ = clock_.Now();
  return Agree(world_, leads() ? WithoutFullDisk(OpenMetrics()) : Ok());
}

Status Trainer::OpenMetrics() {
  const std::string& directory = run_.keeper.checkpoint_directory;
  STILL_RETURN_IF_ERROR(MakeDirectories(directory));
  STILL_ASSIGN_OR_RETURN(metrics_, MetricsLog::Open(MetricsPath(directory), state_.step()));
  if (metrics_->dropped() > 0) LogInfo("{}: {} steps are done again", run_.name, metrics_->dropped());
  return Ok();
}

// Continues the log of the leading rank, which is dead. It may not have written the line of the last step, so this rank
// writes it again.
Status Trainer::TakeOverMetrics() {
  const std::string path = MetricsPath(run_.keeper.checkpoint_directory);
  STILL_ASSIGN_OR_RETURN(metrics_, MetricsLog::Open(path, state_.step() - (last_ ? 1 : 0)));
  return last_ ? metrics_->Append(*last_) : Ok();
}

Status Trainer::Step() {
  SetFaultStep(state_.step());
  progress_.SetStep(state_.step());
  progress_.Enter(v1::PHASE_DATA);
  sums_.Clear();
  results_.zero_();
  watch_.reset();
  std::ranges::fill(computed_, 0);
  StepPlan plan;
  Status mine = std::exchange(pending_, Ok());
  if (mine.ok()) {
    Result<StepPlan> planned = run_.planner.Plan(state_.step());
    mine = planned.status();
    if (planned.ok()) plan = std::move(planned).value();
  }
  if (mine.ok())
    mine =
        AddMicrobatches(plan, ShareOfRank(plan, AllMicrobatches(plan), world_.rank(), costs_.Of(survivors_.members())));
  AddRequests();
  // A rank that failed still takes part, so that the others learn of it at the vote and do not wait for ever.
  STILL_RETURN_IF_ERROR(ReduceAndVote(plan, mine));

  // From here on every rank has the same sums and does the same with them.
  StepMetrics metrics{.step = state_.step(),
                      .epoch = plan.epoch,
                      .sequences = plan.sequences,
                      .tokens = plan.tokens,
                      .generation = survivors_.generation(),
                      .ranks = world_.size()};
  progress_.Enter(v1::PHASE_OPTIMIZER);
  STILL_RETURN_IF_ERROR(Apply(plan, &metrics));
  state_.set_step(state_.step() + 1);
  state_.set_generation(survivors_.generation());
  const std::span<const std::int64_t> totals = sums_.totals();
  if (totals[StepTerms::kCheckpointDue] > 0 && totals[StepTerms::kWriterBusy] == 0)
    metrics.checkpoint_seconds = keeper_.BeginCheckpoint(state_, live_, LogPath());
  metrics.snapshot_seconds = snapshot_seconds_;
  metrics.seconds = SecondsSince(clock_, reported_);
  reported_ = clock_.Now();
  last_ = metrics;
  if (leads()) Report(metrics);  // before the snapshot, so that a step to continue from has its line
  snapshot_seconds_ = keeper_.Snapshot(state_, live_);
  RecordMine(keeper_.Poll());
  return Ok();
}

Status Trainer::AddMicrobatches(const StepPlan& plan, const std::vector<std::size_t>& share) {
  if (share.empty()) return Ok();
  const Clock::TimePoint started = clock_.Now();
  std::uint64_t tokens = 0;
  std::size_t asked = 0;  // microbatches of the share
  Status added;
  try {
    model_.ZeroGradients();
    while (asked < share.size() && added.ok()) {
      progress_.SetMicrobatch(asked);
      progress_.Enter(v1::PHASE_DATA);
      const std::size_t index = share[asked++];
      added = AddMicrobatch(plan, index);
      tokens += PaddedTokens(plan.microbatches[index]);
    }
    if (added.ok()) AddResults(plan, share);
  } catch (const std::exception& e) {
    added = StatusOfException(e);
  }
  if (!added.ok())
    return added.WithContext(fmt::format("{}: step {}, microbatch {}", run_.name, plan.step, share[asked - 1]));
  sums_.terms()[terms_.cost(world_.launch_rank())] =
      static_cast<std::int64_t>(SecondsSince(clock_, started) * 1e9 / static_cast<double>(tokens));
  return Ok();
}

// Asks the device for one microbatch. The host waits for nothing here.
Status Trainer::AddMicrobatch(const StepPlan& plan, std::size_t index) {
  STILL_ASSIGN_OR_RETURN(const Batch made, run_.source.Make(plan.microbatches[index], plan.variant));
  const Batch batch = Upload(made, model_.weights().device());
  progress_.Enter(v1::PHASE_COMPUTE);
  STILL_RETURN_IF_ERROR(FaultPoint("compute"));
  const Dropout dropout{.hidden = run_.options.dropout,
                        .attention = run_.options.attention_dropout,
                        .key = MixKey({run_.seed, plan.step, index})};
  const at::Tensor result = results_.select(0, static_cast<std::int64_t>(index));
  const at::Tensor hidden = EncoderForward(model_, batch.tokens, dropout, run_.compute);
  AccumulateGradients(model_, run_.teacher, hidden, batch.rows, batch.targets, plan.positions, run_.options.loss,
                      run_.compute, result.narrow(0, 0, kLossTerms));
  if (FaultSpoils("compute")) model_.gradients().narrow(0, 0, 1).fill_(std::numeric_limits<float>::quiet_NaN());
  sums_.AddGradients(model_.gradients(), result.narrow(0, kLossTerms, 1));
  sums_.terms()[StepTerms::kMasked] += batch.rows.masked_rows.numel();
  return Ok();
}

// Waits for the device and adds what its microbatches gave to the terms.
void Trainer::AddResults(const StepPlan& plan, const std::vector<std::size_t>& share) {
  HostCopies copies;
  const at::Tensor results = copies.Start(results_), watched = copies.Start(WatchedWeights());
  copies.Wait();
  watch_ = Watch(watched);
  const std::span<std::int64_t> terms = sums_.terms();
  for (const std::size_t index : share) {
    const at::Tensor result = results.select(0, static_cast<std::int64_t>(index));
    const bool losses_good = AddLosses(LossSumsOf(result), plan);
    const bool gradients_good = HostSpan<double>(result)[kLossTerms] == 0;
    if (!losses_good || !gradients_good) terms[terms_.first_flag() + index] = 1;
    const std::vector<std::uint64_t>& sequences = plan.microbatches[index].sequences;
    for (const std::uint64_t sequence : sequences) terms[StepTerms::kAuditHash] += AuditHash(plan.epoch, sequence);
    terms[StepTerms::kAuditSequences] += static_cast<std::int64_t>(sequences.size());
    computed_[index] = 1;
  }
}

// Adds the losses as shares of the step's means, which keeps them in the range of fixed point. Adds counts as they are.
// Returns false when a share is not finite or too large.
bool Trainer::AddLosses(const LossSums& losses, const StepPlan& plan) {
  const double shares[] = {Share(losses.kl, plan.positions.targets), Share(losses.mlm, plan.positions.masked),
                           Share(losses.cosine, plan.positions.targets)};
  static_assert(StepTerms::kKl == 0 && StepTerms::kMlm == 1 && StepTerms::kCosine == 2);
  for (std::size_t term = StepTerms::kKl; term <= StepTerms::kCosine; ++term) {
    if (!(std::fabs(shares[term]) < kMaxTerm)) return false;
    sums_.terms()[term] += ToFixed(shares[term]);
  }
  sums_.terms()[StepTerms::kCorrect] += std::llround(losses.correct);
  return true;
}

// Sets the terms by which this rank asks or tells all ranks something, even when its microbatches failed.
void Trainer::AddRequests() {
  const std::span<std::int64_t> terms = sums_.terms();
  terms[StepTerms::kCheckpointDue] = leads() && keeper_.CheckpointDue(state_.step() + 1) ? 1 : 0;
  terms[StepTerms::kWriterBusy] = keeper_.writer_busy() ? 1 : 0;
  terms[StepTerms::kDrain] = progress_.drain_requested() ? 1 : 0;
  if (!watch_) watch_ = Watch(WatchedWeights().cpu());  // no microbatch brought it
  terms[StepTerms::kWatch] = *watch_;
}

Status Trainer::ReduceAndVote(const StepPlan& plan, Status mine) {
  for (int recoveries = 0;; ++recoveries) {
    progress_.Enter(v1::PHASE_REDUCE);
    if (mine.ok()) mine = FaultPoint("reduce");
    const Status reduced = sums_.Reduce(world_);
    progress_.Enter(v1::PHASE_VOTE);
    if (mine.ok()) mine = FaultPoint("vote");
    const Result<bool> vote = world_.Vote(mine.ok() && reduced.ok());
    if (vote.ok() && *vote) return Ok();
    if (vote.ok()) return ShareFailure(world_, mine.ok() ? reduced : mine);
    if (!world_.can_shrink() || recoveries == kMaxRecoveriesAStep) return vote.status();
    const Status recovered = RecoverInPlace(plan, mine);
    if (recovered.code() == Code::kUnavailable || recovered.code() == Code::kAborted) return recovered;
    if (mine.ok()) mine = recovered;
  }
}

// Continues the step without the dead: the survivors compute again what the dead had computed.
Status Trainer::RecoverInPlace(const StepPlan& plan, const Status& mine) {
  progress_.Enter(v1::PHASE_RECOVER);
  const Clock::TimePoint started = clock_.Now();
  const bool led = leads();
  STILL_ASSIGN_OR_RETURN(std::vector<std::size_t> lost, survivors_.Reconfigure(state_.step(), computed_));
  if (leads() && !led) STILL_RETURN_IF_ERROR(WithoutFullDisk(TakeOverMetrics()));
  if (!mine.ok()) return mine;
  std::erase_if(lost, [&](std::size_t index) { return index >= plan.microbatches.size(); });
  const double seconds = SecondsSince(clock_, started);
  STILL_RETURN_IF_ERROR(AddMicrobatches(plan, ShareOfRank(plan, lost, world_.rank(), costs_.Of(survivors_.members()))));
  if (leads())
    LogWarn("{}: step {} goes on as generation {} with ranks {}: {} microbatches redone in {:.3f} s after {:.3f} s",
            run_.name, state_.step(), survivors_.generation(), fmt::join(survivors_.members(), ", "), lost.size(),
            SecondsSince(clock_, started) - seconds, seconds);
  return Ok();
}

Status Trainer::Apply(const StepPlan& plan, StepMetrics* metrics) {
  const std::span<const std::int64_t> totals = sums_.totals();
  STILL_CHECK(totals[StepTerms::kAuditSequences] == static_cast<std::int64_t>(plan.sequences),
              "the sums of a step hold a microbatch twice, or not at all");
  for (const int rank : survivors_.members()) costs_.Record(rank, totals[terms_.cost(rank)]);
  if (totals[StepTerms::kWatch] != world_.size() * *watch_) {
    keeper_.RemoveSnapshots();  // they mix the memories of several ranks
    return Error(Code::kDataLoss,
                 "{}: before step {} the ranks hold different weights; a host computes wrongly or differently from the "
                 "others: run on one kind of processor, and remove checkpoints/{} if the fault may be older",
                 run_.name, state_.step(), run_.identity);
  }
  Audit(plan);
  std::vector<std::size_t> bad;
  for (std::size_t i = 0; i < terms_.flags(); ++i) {
    if (totals[terms_.first_flag() + i] != 0) bad.push_back(i);
  }
  metrics->learning_rate =
      LearningRate(state_.step(), run_.planner.total_steps(), run_.options.learning_rate, run_.options.warmup_percent);
  metrics->skipped = !bad.empty();
  if (!bad.empty()) {
    metrics->loss = metrics->kl = metrics->mlm = metrics->cosine = metrics->masked_accuracy = metrics->gradient_norm =
        std::numeric_limits<double>::quiet_NaN();
    return Skip(plan, bad);
  }
  STILL_CHECK(totals[StepTerms::kMasked] == plan.positions.masked,
              "the plan and the masker disagree on masked positions");
  state_.set_skipped_in_a_row(0);

  metrics->kl = FromFixed(totals[StepTerms::kKl]);
  metrics->mlm = FromFixed(totals[StepTerms::kMlm]);
  metrics->cosine = FromFixed(totals[StepTerms::kCosine]);
  metrics->masked_accuracy = Share(static_cast<double>(totals[StepTerms::kCorrect]), plan.positions.masked);
  metrics->loss = StepLoss({.kl = metrics->kl, .mlm = metrics->mlm, .cosine = metrics->cosine},
                           {.targets = 1, .masked = 1}, run_.options.loss);  // the terms are means already
  sums_.WriteGradients(model_.gradients());
  RecordMine(FaultPoint("optimizer"));
  optimizer_.Step(model_.weights(), model_.gradients(), state_.step() - state_.skipped_steps(), metrics->learning_rate);
  metrics->gradient_norm = optimizer_.norm().item<double>();
  return Ok();
}

Status Trainer::Skip(const StepPlan& plan, const std::vector<std::size_t>& bad) {
  state_.set_skipped_steps(state_.skipped_steps() + 1);
  state_.set_skipped_in_a_row(state_.skipped_in_a_row() + 1);
  if (leads())
    LogWarn("{}: step {} skipped: microbatches {} gave losses or gradients that are not finite or above {}", run_.name,
            plan.step, fmt::join(bad, ", "), kMaxTerm);
  if (state_.skipped_in_a_row() < kMaxSkippedInARow) return Ok();
  return Error(
      Code::kInvalidArgument,
      "{}: {} steps in a row gave losses or gradients that are not finite or above {}, the last one step {} in "
      "microbatches {} (its sequences begin with {}); lower the learning rate",
      run_.name, state_.skipped_in_a_row(), kMaxTerm, plan.step, fmt::join(bad, ", "),
      plan.microbatches[bad.front()].sequences.front());
}

// Checks at the end of an epoch that every sequence was used once, by their number and by the sum of their hashes.
void Trainer::Audit(const StepPlan& plan) {
  state_.set_audit_sequences(state_.audit_sequences() + plan.sequences);
  state_.set_audit_hash(state_.audit_hash() + static_cast<std::uint64_t>(sums_.totals()[StepTerms::kAuditHash]));
  if (state_.audit_sequences() < run_.sequences) return;
  STILL_CHECK(state_.audit_hash() == AuditHashOfEpoch(plan.epoch, run_.sequences),
              "an epoch left out a sequence or used one twice");
  if (leads())
    LogInfo("{}: epoch {}: {} of {} sequences used once", run_.name, plan.epoch + 1, state_.audit_sequences(),
            run_.sequences);
  state_.set_audit_sequences(0);
  state_.set_audit_hash(0);
}

std::string Trainer::LogPath() const { return metrics_ ? metrics_->path() : ""; }

void Trainer::RecordMine(const Status& status) {
  if (pending_.ok()) pending_ = status;
}

void Trainer::Report(const StepMetrics& metrics) {
  tokens_ += metrics.tokens;
  if (metrics_) RecordMine(WithoutFullDisk(metrics_->Append(metrics)));
  v1::Progress progress;
  progress.set_done(state_.step());
  progress.set_total(run_.planner.total_steps());
  progress.set_unit(v1::PROGRESS_UNIT_STEPS);
  progress.set_tokens(tokens_);
  auto& values = *progress.mutable_values();
  values["loss"] = metrics.loss;
  values["kl"] = metrics.kl;
  values["lr"] = metrics.learning_rate;
  control_.ReportProgress(progress);
}

}  // namespace still::worker
