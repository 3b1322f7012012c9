#include <array>
#include <memory>
#include <optional>
#include <string>

#include "common/artifact.h"
#include "common/clock.h"
#include "common/log.h"
#include "shards/corpus_view.h"
#include "shards/masking.h"
#include "shards/targets/target_store.h"
#include "worker/stages.h"
#include "worker/targets/shard_targets.h"
#include "worker/targets/target_teacher.h"

namespace still::worker {
namespace {

using shards::CorpusView;
using shards::TargetStore;

// Sequences x variants of the shards that an earlier launch sealed.
std::uint64_t SealedBefore(const TargetStore& store, const CorpusView& corpus, std::uint32_t variants) {
  std::uint64_t records = 0;
  for (std::uint32_t shard = 0; shard < store.shards(); ++shard)
    if (store.ShardSealed(shard)) records += (corpus.ShardEnd(shard) - corpus.ShardBegin(shard)) * variants;
  return records;
}

// Leased shards until none is left. `progress` is this rank's.
Status BuildLeasedShards(const StageContext& context, const TargetStore& store, const CorpusView& corpus,
                         const TargetTeacher& teacher, StageProgress* progress) {
  const shards::Masker masker(context.task.mask, corpus.token_counts(), corpus.special_tokens());
  const auto on_batch = [&](std::uint64_t records, std::uint64_t tokens) {
    progress->done += records;
    progress->tokens += tokens;
    context.control.ReportProgress(*progress);
  };
  while (true) {
    STILL_ASSIGN_OR_RETURN(const std::optional<std::uint32_t> shard, context.control.NextShard());
    if (!shard) return Ok();
    if (*shard >= store.shards())
      return Error(Code::kInternal, "the coordinator gave shard {} of a corpus of {} shards", *shard, store.shards());
    std::string digest;
    if (store.ShardSealed(*shard)) {
      STILL_ASSIGN_OR_RETURN(const auto sealed, shards::TargetReader::Open(store.ShardPath(*shard)));
      digest = sealed->summary().digest;
    } else {
      STILL_ASSIGN_OR_RETURN(digest, BuildShardTargets(corpus, *shard, masker, context.task.mask.variants, teacher,
                                                       store.ShardPath(*shard), store.identity(), on_batch));
    }
    STILL_RETURN_IF_ERROR(context.control.ShardDone(*shard, digest));
  }
}

}  // namespace

Status RunTargetsStage(const StageContext& context) {
  const Task& task = context.task;
  const Clock& clock = Clock::System();
  const Clock::TimePoint start = clock.Now();
  const ArtifactStore artifacts(task.artifacts_root);
  STILL_ASSIGN_OR_RETURN(const bool done, context.world.Vote(artifacts.Has("targets", task.targets)));
  if (done) return Ok();

  STILL_ASSIGN_OR_RETURN(const auto corpus,
                         CorpusView::Open(artifacts.PathOf("corpus", task.corpus), shards::Split::kTrain));
  STILL_ASSIGN_OR_RETURN(const auto teacher,
                         TargetTeacher::Load(artifacts.PathOf("teacher", task.teacher), task.target_spec,
                                             task.targets_at_all_positions, task.bf16));
  STILL_ASSIGN_OR_RETURN(const TargetStore store, TargetStore::Open(artifacts, IdentityBuilder::FromText(task.identity),
                                                                    teacher->spec(), corpus->shards()));
  StageProgress progress{.total = corpus->sequences() * task.mask.variants, .unit = "sequences"};
  if (context.world.rank() == 0) {
    STILL_RETURN_IF_ERROR(store.RemoveLeftovers());
    progress.done = SealedBefore(store, *corpus, task.mask.variants);
    context.control.ReportProgress(progress);
  }
  STILL_RETURN_IF_ERROR(context.world.Barrier());  // what was sealed before has been counted
  STILL_RETURN_IF_ERROR(BuildLeasedShards(context, store, *corpus, *teacher, &progress));

  // All shards are taken; at the barrier they are sealed as well. The sum is that barrier.
  std::array<std::int64_t, 1> tokens = {static_cast<std::int64_t>(progress.tokens)};
  STILL_RETURN_IF_ERROR(context.world.AllReduceSum(std::span(tokens)));
  if (context.world.rank() != 0) return Ok();
  const double seconds = SecondsSince(clock, start);
  LogInfo("targets: {} tokens in {:.1f} s, {:.0f} tokens/s", tokens[0], seconds,
          static_cast<double>(tokens[0]) / seconds);
  return store.Commit({{"shards", store.shards()},
                       {"seconds", seconds},
                       {"tokens_per_second", static_cast<double>(tokens[0]) / seconds}});
}

}  // namespace still::worker
