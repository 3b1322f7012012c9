#include "worker/evaluate/measure.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <utility>

#include "common/progress.h"
#include "worker/model/encoder.h"
#include "worker/model/padded_batch.h"

namespace still::worker {
namespace {

constexpr std::int64_t kRowsAtOnce = 256;  // rows of logits that exist at a time
constexpr Compute kFp32{};
constexpr Dropout kNoDropout{};

struct MaskedRows {
  at::Tensor rows;  // flattened b*S+s
  at::Tensor labels;
};

MaskedRows RowsOf(const std::vector<const shards::MaskedSequence*>& batch, std::int64_t padded_length) {
  std::vector<std::int64_t> rows;
  std::vector<std::int64_t> labels;
  for (std::size_t b = 0; b < batch.size(); ++b) {
    for (std::uint16_t position : batch[b]->positions)
      rows.push_back(static_cast<std::int64_t>(b) * padded_length + position);
    labels.insert(labels.end(), batch[b]->labels.begin(), batch[b]->labels.end());
  }
  return {at::tensor(rows), at::tensor(labels)};
}

// Returns the head's transform of the masked rows: [M, H].
at::Tensor TransformedRows(const ParameterSet& model, const TokenBatch& batch, const at::Tensor& rows) {
  const at::Tensor hidden = EncoderForward(model, batch, kNoDropout, kFp32);
  return HeadTransform(model, hidden.reshape({-1, hidden.size(-1)}).index_select(0, rows), kFp32);
}

// The log-probabilities of some rows at both temperatures.
struct LogProbabilities {
  at::Tensor plain;
  at::Tensor tempered;
};

LogProbabilities LogProbabilitiesOf(const at::Tensor& logits, double temperature) {
  return {at::log_softmax(logits, -1), at::log_softmax(logits / temperature, -1)};
}

double Total(const at::Tensor& per_row) { return per_row.to(at::kDouble).sum().item<double>(); }

at::Tensor KlRows(const at::Tensor& teacher, const at::Tensor& model) {
  return (teacher.exp() * (teacher - model)).sum(-1);
}

void AddScores(const LogProbabilities& teacher, const LogProbabilities& model, const at::Tensor& labels,
               MaskFillingSums* sums) {
  sums->loss += Total(-model.plain.gather(1, labels.unsqueeze(1)));
  sums->correct += Total(model.plain.argmax(-1).eq(labels));
  sums->kl += Total(KlRows(teacher.plain, model.plain));
  sums->kl_tempered += Total(KlRows(teacher.tempered, model.tempered));
}

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

void AddMaskFilling(std::span<const ParameterSet* const> models,
                    const std::vector<const shards::MaskedSequence*>& batch, double temperature,
                    std::span<MaskFillingSums> sums) {
  STILL_CHECK(sums.size() == models.size(), "one sum a model");
  const c10::InferenceMode inference;
  const TokenBatch tokens = PadBatch(batch);
  const MaskedRows masked = RowsOf(batch, tokens.tokens.size(1));
  std::vector<at::Tensor> transformed;
  for (const ParameterSet* model : models) transformed.push_back(TransformedRows(*model, tokens, masked.rows));

  const std::int64_t count = masked.rows.size(0);
  for (std::int64_t first = 0; first < count; first += kRowsAtOnce) {
    const std::int64_t last = std::min(first + kRowsAtOnce, count);
    const at::Tensor labels = masked.labels.slice(0, first, last);
    LogProbabilities teacher;
    for (std::size_t i = 0; i < models.size(); ++i) {
      const at::Tensor logits = HeadLogits(*models[i], transformed[i].slice(0, first, last), kFp32);
      LogProbabilities model = LogProbabilitiesOf(logits, temperature);
      if (i == 0) teacher = model;
      AddScores(teacher, model, labels, &sums[i]);
    }
  }
}

std::vector<double> MeasureLatency(std::span<const ParameterSet* const> models, const shards::MaskedSequence& sequence,
                                   std::uint32_t runs, const Clock& clock) {
  constexpr std::uint32_t kWarmUpRuns = 3;
  const c10::InferenceMode inference;
  const TokenBatch batch = PadBatch({&sequence});
  const MaskedRows masked = RowsOf({&sequence}, batch.tokens.size(1));
  std::vector<std::vector<double>> seconds(models.size());
  for (std::uint32_t run = 0; run < kWarmUpRuns + runs; ++run) {
    for (std::size_t i = 0; i < models.size(); ++i) {
      const Clock::TimePoint start = clock.Now();
      HeadLogits(*models[i], TransformedRows(*models[i], batch, masked.rows), kFp32);
      if (run >= kWarmUpRuns) seconds[i].push_back(SecondsSince(clock, start));
      MarkProgress();
    }
  }
  std::vector<double> medians;
  for (std::vector<double>& values : seconds) medians.push_back(Median(std::move(values)));
  return medians;
}

}  // namespace still::worker
