// Computes the targets of one shard of the corpus. They are a pure function of shard, masks and teacher.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/status.h"
#include "shards/corpus/corpus_view.h"
#include "shards/corpus/masking.h"
#include "shards/targets/target_cache.h"
#include "worker/targets/target_teacher.h"

namespace still::worker {

// Masks every sequence of `shard` with each of `variants` mask variants, runs `teacher` on batches of similar length,
// and seals the records as a database at `place`. Calls `on_batch` after each batch with its records and unpadded
// tokens. Returns the digest of what was computed, and sets `*computed` to it even when sealing failed; see
// TargetWriter::Seal. A failure leaves nothing on disk. Fault points: targets.record (before a batch), targets.result
// ("flip" changes one bit).
Result<std::string> BuildShardTargets(const shards::CorpusView& corpus, std::uint32_t shard,
                                      const shards::Masker& masker, std::uint32_t variants,
                                      const TargetTeacher& teacher, const shards::ShardPlace& place,
                                      const std::string& identity,
                                      const std::function<void(std::uint64_t records, std::uint64_t tokens)>& on_batch,
                                      std::string* computed);

}  // namespace still::worker
