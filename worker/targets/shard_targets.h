// Targets of one shard of the corpus: a pure function of shard, masks and teacher, whoever computes it.
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

// Masks every sequence of `shard` with each of `variants` mask variants, runs `teacher` on batches of like length, and
// seals the records as a database at `place`. `on_batch` hears of the records and useful tokens of each batch. Returns
// the digest of what was computed, in `*computed` also when sealing failed; see TargetWriter::Seal. On failure nothing
// is left of it. Fault points: targets.record (before a batch), targets.result ("flip": one bit of it is wrong).
Result<std::string> BuildShardTargets(const shards::CorpusView& corpus, std::uint32_t shard,
                                      const shards::Masker& masker, std::uint32_t variants,
                                      const TargetTeacher& teacher, const shards::ShardPlace& place,
                                      const std::string& identity,
                                      const std::function<void(std::uint64_t records, std::uint64_t tokens)>& on_batch,
                                      std::string* computed);

}  // namespace still::worker
