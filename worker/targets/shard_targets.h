// Targets of one shard of the corpus: a pure function of shard, masks and teacher, whoever computes it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/status.h"
#include "shards/corpus_view.h"
#include "shards/masking.h"
#include "worker/targets/target_teacher.h"

namespace still::worker {

// Masks every sequence of `shard` with each of `variants` mask variants, runs `teacher` on batches of like length, and
// seals the records as the database `path`; returns its digest. `on_batch` hears of the records and useful tokens of
// each batch. On failure nothing stands under `path`.
Result<std::string> BuildShardTargets(const shards::CorpusView& corpus, std::uint32_t shard,
                                      const shards::Masker& masker, std::uint32_t variants,
                                      const TargetTeacher& teacher, const std::string& path,
                                      const std::string& identity,
                                      const std::function<void(std::uint64_t records, std::uint64_t tokens)>& on_batch);

}  // namespace still::worker
