#include "worker/train/batch_source.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <vector>

#include "worker/model/padded_batch.h"

namespace still::worker {
namespace {

template <typename T, typename From>
at::Tensor ToTensor(const std::vector<From>& values, at::IntArrayRef shape, at::ScalarType type) {
  at::Tensor tensor = at::empty(shape, type);
  STILL_CHECK(static_cast<std::size_t>(tensor.numel()) == values.size(), "values do not fill the shape");
  std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<T>());
  return tensor;
}

template <typename From>
at::Tensor ToLong(const std::vector<From>& values) {
  return ToTensor<std::int64_t>(values, {static_cast<std::int64_t>(values.size())}, at::kLong);
}

template <typename T>
void Append(const std::vector<T>& from, std::vector<T>* to) {
  to->insert(to->end(), from.begin(), from.end());
}

BatchTargets ToTargets(const shards::TargetSpec& spec, const shards::TargetRecord& all) {
  const auto rows = static_cast<std::int64_t>(all.positions);
  const auto width = static_cast<std::int64_t>(spec.width);
  BatchTargets targets;
  if (spec.codec == shards::TargetCodec::kHiddenF16) {
    targets.hidden = ToTensor<float>(all.hidden, {rows, width}, at::kFloat);
  } else {
    targets.ids = ToTensor<std::int64_t>(all.ids, {rows, width}, at::kLong);
    targets.logits = ToTensor<float>(all.logits, {rows, width}, at::kFloat);
    targets.log_partition = ToTensor<float>(all.log_partition, {rows}, at::kFloat);
  }
  return targets;
}

// Appends the rows where the teacher's targets of a sequence apply, and their labels. `first` is the row of the
// sequence's first token.
void AddTargetRows(const shards::MaskedSequence& sequence, bool all_positions, std::int64_t first,
                   std::vector<std::int64_t>* rows, std::vector<std::int64_t>* labels) {
  if (!all_positions) {
    for (const std::uint16_t position : sequence.positions) rows->push_back(first + position);
    labels->insert(labels->end(), sequence.labels.begin(), sequence.labels.end());
    return;
  }
  const std::size_t before = labels->size();
  labels->resize(before + sequence.input.size(), -1);
  for (std::size_t i = 0; i < sequence.positions.size(); ++i)
    (*labels)[before + sequence.positions[i]] = sequence.labels[i];
  for (std::size_t i = 0; i < sequence.input.size(); ++i) rows->push_back(first + static_cast<std::int64_t>(i));
}

std::uint32_t ShardOf(const shards::CorpusView& corpus, std::uint64_t sequence) {
  std::uint32_t low = 0;
  for (std::uint32_t high = corpus.shards(); high - low > 1;) {
    const std::uint32_t middle = low + (high - low) / 2;
    (corpus.ShardBegin(middle) <= sequence ? low : high) = middle;
  }
  return low;
}

}  // namespace

Result<shards::TargetRecord> BatchSource::ReadTarget(std::uint64_t sequence, std::uint32_t variant,
                                                     const shards::MaskedSequence& masked) const {
  const std::uint32_t shard = ShardOf(corpus_, sequence);
  const auto within = static_cast<std::uint32_t>(sequence - corpus_.ShardBegin(shard));
  shards::TargetRecord record;
  Status read = targets_->Read(shard, within, variant, masked.hash, &record);
  const std::size_t expected = all_positions_ ? masked.input.size() : masked.positions.size();
  if (read.ok() && record.positions != expected)
    read = Error(Code::kDataLoss, "the record has {} positions, the sequence {}", record.positions, expected);
  if (read.ok()) return record;
  const Code code = read.code() == Code::kNotFound ? Code::kDataLoss : read.code();
  return Status(code, fmt::format("targets of sequence {} (shard {}, its {}), mask variant {}: {}", sequence, shard,
                                  within, variant, read.message()));
}

Result<Batch> BatchSource::Make(const shards::Microbatch& microbatch, std::uint32_t variant) const {
  std::vector<shards::MaskedSequence> masked;
  std::vector<const shards::MaskedSequence*> rows_in;
  masked.reserve(microbatch.sequences.size());
  std::vector<std::int64_t> target_rows;
  std::vector<std::int64_t> target_labels;
  std::vector<std::int64_t> masked_rows;
  std::vector<std::int64_t> labels;
  shards::TargetRecord all;
  std::int64_t row = 0;  // of the padded rectangle
  for (const std::uint64_t sequence : microbatch.sequences) {
    STILL_ASSIGN_OR_RETURN(const shards::TokenSpan tokens, corpus_.Sequence(sequence));
    const shards::MaskedSequence& one = masked.emplace_back(masker_.Mask(tokens, variant));
    rows_in.push_back(&one);
    for (const std::uint16_t position : one.positions) masked_rows.push_back(row + position);
    labels.insert(labels.end(), one.labels.begin(), one.labels.end());
    if (targets_ != nullptr) {
      STILL_ASSIGN_OR_RETURN(const shards::TargetRecord record, ReadTarget(sequence, variant, one));
      all.positions += record.positions;
      Append(record.hidden, &all.hidden);
      Append(record.ids, &all.ids);
      Append(record.logits, &all.logits);
      Append(record.log_partition, &all.log_partition);
      AddTargetRows(one, all_positions_, row, &target_rows, &target_labels);
    }
    row += microbatch.padded_length;
  }
  Batch batch{.tokens = PadBatch(rows_in),
              .rows = {.target_rows = ToLong(target_rows),
                       .target_labels = ToLong(target_labels),
                       .masked_rows = ToLong(masked_rows),
                       .labels = ToLong(labels)}};
  if (targets_ != nullptr) batch.targets = ToTargets(targets_->spec(), all);
  return batch;
}

}  // namespace still::worker
