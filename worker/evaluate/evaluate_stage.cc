#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/faults/fault_point.h"
#include "common/log.h"
#include "common/random.h"
#include "common/storage/artifact.h"
#include "shards/corpus/corpus_view.h"
#include "shards/corpus/order.h"
#include "worker/control/stages.h"
#include "worker/control/task_options.h"
#include "worker/evaluate/measure.h"
#include "worker/evaluate/report.h"
#include "worker/model/model_files.h"
#include "worker/model/student_layers.h"

namespace still::worker {
namespace {

using shards::CorpusView;
using shards::MaskedSequence;
using shards::Split;

constexpr std::uint64_t kEvaluationMask = 0x65766c;  // keeps held-out masks apart from those trained on
constexpr std::uint32_t kBatchTokens = 4096;
constexpr std::uint32_t kLatencyTokens = 128;

struct Models {
  ParameterSet teacher;
  ParameterSet student_initial;
  ParameterSet student;

  std::array<const ParameterSet*, 3> All() const { return {&teacher, &student_initial, &student}; }
};

Result<Models> LoadModels(const v1::WorkerTask& task, const ArtifactStore& artifacts) {
  STILL_ASSIGN_OR_RETURN(ParameterSet teacher,
                         LoadModel(artifacts.PathOf("teacher", task.artifacts().teacher()), false));
  STILL_ASSIGN_OR_RETURN(ParameterSet student,
                         LoadModel(artifacts.PathOf("student", task.artifacts().student()), false));
  ParameterSet initial =
      InitialiseStudent(teacher, student.shape().layers, task.config().student().from_teacher(), task.config().seed());
  return Models{std::move(teacher), std::move(initial), std::move(student)};
}

// Held-out text and the one mask that models are judged by.
class HeldoutText {
 public:
  static Result<HeldoutText> Open(const v1::WorkerTask& task, const ArtifactStore& artifacts) {
    const std::string directory = artifacts.PathOf("corpus", task.artifacts().corpus());
    STILL_ASSIGN_OR_RETURN(std::unique_ptr<CorpusView> heldout, CorpusView::Open(directory, Split::kHeldout));
    if (heldout->sequences() == 0)
      return Error(Code::kInvalidArgument,
                   "the corpus {} has no held-out sequences to evaluate on; raise corpus.heldout_percent or add text",
                   directory);
    // Token weights are those of training, because held-out counts are a smaller sample.
    STILL_ASSIGN_OR_RETURN(const std::unique_ptr<CorpusView> train, CorpusView::Open(directory, Split::kTrain));
    shards::MaskPolicy policy = MaskPolicyOf(task.config().targets().mask());
    policy.seed = MixKey({policy.seed, kEvaluationMask});
    policy.smoothing = 0;  // uniform, as BERT is judged; training draws rare tokens more often
    const shards::EpochOrder order(heldout->sequences(), policy.seed, 0, task.artifacts().corpus());
    return HeldoutText(std::move(heldout), shards::Masker(policy, train->token_counts(), train->special_tokens()),
                       order, task.config().evaluate().max_sequences());
  }

  // Returns the sequences to judge by, cut into batches of similar length: a random subset when there are more than
  // wanted.
  std::vector<shards::Microbatch> Batches() const {
    std::vector<std::uint64_t> sequences(sequences_);
    std::vector<std::uint32_t> lengths(sequences_);
    for (std::uint64_t i = 0; i < sequences_; ++i) {
      sequences[i] = order_.At(i);
      lengths[i] = heldout_->Length(sequences[i]);
    }
    return shards::CutMicrobatches(sequences, lengths, kBatchTokens);
  }

  Result<MaskedSequence> Masked(std::uint64_t sequence) const {
    STILL_ASSIGN_OR_RETURN(const shards::TokenSpan tokens, heldout_->Sequence(sequence));
    return masker_.Mask(tokens, /*variant=*/0);
  }

  // Returns the sequence that inference is timed with: the longest one of the first batch, cut to kLatencyTokens.
  Result<MaskedSequence> ForLatency() const {
    STILL_ASSIGN_OR_RETURN(const shards::TokenSpan tokens, heldout_->Sequence(Batches().front().sequences.front()));
    return masker_.Mask(tokens.first(std::min<std::size_t>(tokens.size(), kLatencyTokens)), /*variant=*/0);
  }

  std::uint64_t sequences() const { return sequences_; }

 private:
  HeldoutText(std::unique_ptr<CorpusView> heldout, shards::Masker masker, shards::EpochOrder order,
              std::uint64_t max_sequences)
      : heldout_(std::move(heldout)),
        masker_(std::move(masker)),
        order_(order),
        sequences_(max_sequences == 0 ? heldout_->sequences() : std::min(max_sequences, heldout_->sequences())) {}

  std::unique_ptr<CorpusView> heldout_;
  shards::Masker masker_;
  shards::EpochOrder order_;
  std::uint64_t sequences_;
};

MaskFillingScore ScoreOf(const MaskFillingSums& sums, std::uint64_t positions) {
  const auto count = static_cast<double>(positions);
  return {.accuracy = sums.correct / count,
          .loss = sums.loss / count,
          .kl = sums.kl / count,
          .kl_tempered = sums.kl_tempered / count};
}

// Fills in the scores of all three models.
Status Score(const Models& models, const HeldoutText& text, const StageContext& context, EvaluationReport* report) {
  std::array<MaskFillingSums, 3> sums;
  v1::Progress progress;
  progress.set_total(text.sequences());
  progress.set_unit(v1::PROGRESS_UNIT_SEQUENCES);
  std::uint64_t batches = 0;
  for (const shards::Microbatch& batch : text.Batches()) {
    context.progress.Enter(v1::PHASE_INFERENCE);
    context.progress.SetMicrobatch(batches++);
    STILL_RETURN_IF_ERROR(FaultPoint("evaluate.batch"));
    std::vector<MaskedSequence> masked;
    for (std::uint64_t sequence : batch.sequences) {
      STILL_ASSIGN_OR_RETURN(MaskedSequence one, text.Masked(sequence));
      report->masked_positions += one.positions.size();
      progress.set_tokens(progress.tokens() + one.input.size());
      masked.push_back(std::move(one));
    }
    std::vector<const MaskedSequence*> rows;
    for (const MaskedSequence& one : masked) rows.push_back(&one);
    AddMaskFilling(models.All(), rows, report->temperature, sums);
    progress.set_done(progress.done() + batch.sequences.size());
    context.control.ReportProgress(progress);
  }
  context.progress.Enter(v1::PHASE_COMMIT);
  if (report->masked_positions == 0)
    return Error(Code::kInvalidArgument, "no position of the held-out text is masked; raise targets.mask.rate");
  report->sequences = text.sequences();
  report->teacher = ScoreOf(sums[0], report->masked_positions);
  report->student_initial = ScoreOf(sums[1], report->masked_positions);
  report->student = ScoreOf(sums[2], report->masked_positions);
  return Ok();
}

Status TimeInference(const v1::WorkerTask& task, const Models& models, const HeldoutText& text,
                     EvaluationReport* report) {
  STILL_ASSIGN_OR_RETURN(const MaskedSequence sequence, text.ForLatency());
  const std::array<const ParameterSet*, 2> timed = {&models.teacher, &models.student};
  report->latency_tokens = static_cast<std::uint32_t>(sequence.input.size());
  report->latency_runs = std::max(1U, task.config().evaluate().latency_runs());
  const std::vector<double> seconds = MeasureLatency(timed, sequence, report->latency_runs, Clock::System());
  report->teacher_cost = {.parameters = models.teacher.shape().Parameters(), .latency_seconds = seconds[0]};
  report->student_cost = {.parameters = models.student.shape().Parameters(), .latency_seconds = seconds[1]};
  return Ok();
}

Status Evaluate(const StageContext& context) {
  const v1::WorkerTask& task = context.task;
  const ArtifactStore artifacts(task.config().artifacts());
  if (artifacts.Has("report", task.artifacts().report())) return Ok();
  STILL_ASSIGN_OR_RETURN(const Models models, LoadModels(task, artifacts));
  STILL_ASSIGN_OR_RETURN(const HeldoutText text, HeldoutText::Open(task, artifacts));
  EvaluationReport report{.temperature = task.config().train().temperature()};
  STILL_RETURN_IF_ERROR(TimeInference(task, models, text, &report));
  STILL_RETURN_IF_ERROR(Score(models, text, context, &report));

  STILL_ASSIGN_OR_RETURN(const std::unique_ptr<StagedDirectory> staged,
                         artifacts.Begin("report", IdentityBuilder::FromText(task.identity())));
  STILL_RETURN_IF_ERROR(WriteReport(report, task.identity(), staged->path()));
  STILL_RETURN_IF_ERROR(FaultPoint("evaluate.commit"));
  STILL_RETURN_IF_ERROR(CommitArtifact(*staged));
  LogInfo("report in {}", artifacts.PathOf("report", task.artifacts().report()));
  return Ok();
}

}  // namespace

Status RunEvaluateStage(const StageContext& context) { return context.world.rank() == 0 ? Evaluate(context) : Ok(); }

}  // namespace still::worker
