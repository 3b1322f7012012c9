#include "worker/targets/shard_targets.h"

#include <bit>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "common/faults/fault_point.h"
#include "shards/corpus/order.h"
#include "shards/targets/target_cache.h"

namespace still::worker {
namespace {

using shards::MaskedSequence;
using shards::TargetRecord;

constexpr std::uint32_t kBatchTokens = 4096;
// Records are appended in order but computed by length. This many tokens are sorted at a time: it bounds memory (100 MB
// of floats at a width of 768) and keeps batches full.
constexpr std::uint64_t kWindowTokens = 32 * 1024;

struct Entry {
  std::uint32_t sequence = 0;  // within the shard
  std::uint32_t variant = 0;
  MaskedSequence masked;
  TargetRecord record;
};

// Simulates a faulty machine: changes one value to another finite one that a half can tell apart.
void FlipLowestBit(TargetRecord* record) {
  float& value = record->hidden.empty() ? record->logits.front() : record->hidden.front();
  value = std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) ^ std::uint32_t{1} << 13);  // lowest bit of a half
}

using OnBatch = std::function<void(std::uint64_t records, std::uint64_t tokens)>;

Status ComputeRecords(const TargetTeacher& teacher, const OnBatch& on_batch, std::vector<Entry>* window) {
  std::vector<std::uint64_t> indices(window->size());
  std::iota(indices.begin(), indices.end(), 0);
  std::vector<std::uint32_t> lengths;
  for (const Entry& entry : *window) lengths.push_back(static_cast<std::uint32_t>(entry.masked.input.size()));

  for (const shards::Microbatch& batch : shards::CutMicrobatches(indices, lengths, kBatchTokens)) {
    STILL_RETURN_IF_ERROR(FaultPoint("targets.record"));
    std::vector<const MaskedSequence*> rows;
    std::uint64_t tokens = 0;
    for (std::uint64_t index : batch.sequences) {
      rows.push_back(&(*window)[index].masked);
      tokens += lengths[index];
    }
    std::vector<TargetRecord> records = teacher.Run(rows);
    if (FaultFlips("targets.result")) FlipLowestBit(&records.front());
    for (std::size_t i = 0; i < records.size(); ++i) (*window)[batch.sequences[i]].record = std::move(records[i]);
    on_batch(records.size(), tokens);
  }
  return Ok();
}

// Computes the records of `window`, appends them in order and empties it.
Status Flush(const TargetTeacher& teacher, const OnBatch& on_batch, shards::TargetWriter& writer,
             std::vector<Entry>* window) {
  STILL_RETURN_IF_ERROR(ComputeRecords(teacher, on_batch, window));
  for (const Entry& entry : *window) STILL_RETURN_IF_ERROR(writer.Append(entry.sequence, entry.variant, entry.record));
  window->clear();
  return Ok();
}

}  // namespace

Result<std::string> BuildShardTargets(const shards::CorpusView& corpus, std::uint32_t shard,
                                      const shards::Masker& masker, std::uint32_t variants,
                                      const TargetTeacher& teacher, const shards::ShardPlace& place,
                                      const std::string& identity, const OnBatch& on_batch, std::string* computed) {
  STILL_ASSIGN_OR_RETURN(const std::unique_ptr<shards::TargetWriter> writer,
                         shards::TargetWriter::Create(place, teacher.spec()));
  const std::uint64_t begin = corpus.ShardBegin(shard);
  std::vector<Entry> window;
  std::uint64_t window_tokens = 0;
  for (std::uint64_t index = begin; index < corpus.ShardEnd(shard); ++index) {
    STILL_ASSIGN_OR_RETURN(const shards::TokenSpan tokens, corpus.Sequence(index));
    for (std::uint32_t variant = 0; variant < variants; ++variant) {
      window.push_back({.sequence = static_cast<std::uint32_t>(index - begin),
                        .variant = variant,
                        .masked = masker.Mask(tokens, variant)});
      window_tokens += tokens.size();
    }
    if (window_tokens < kWindowTokens) continue;
    STILL_RETURN_IF_ERROR(Flush(teacher, on_batch, *writer, &window));
    window_tokens = 0;
  }
  STILL_RETURN_IF_ERROR(Flush(teacher, on_batch, *writer, &window));
  Result<std::string> sealed = writer->Seal(identity);
  *computed = writer->digest();
  return sealed;
}

}  // namespace still::worker
