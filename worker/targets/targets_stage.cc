// The targets stage. Each shard of the corpus is one shard of leased work (leased_artifact.h).
#include <string>

#include "common/storage/artifact.h"
#include "shards/corpus/corpus_view.h"
#include "shards/corpus/masking.h"
#include "shards/targets/target_store.h"
#include "worker/control/leased_artifact.h"
#include "worker/control/stages.h"
#include "worker/control/task_options.h"
#include "worker/targets/shard_targets.h"
#include "worker/targets/target_teacher.h"

namespace still::worker {
namespace {

using shards::CorpusView;
using shards::TargetStore;

class TargetCache final : public LeasedArtifact {
 public:
  TargetCache(const StageContext& context, const ArtifactStore& artifacts, const TargetStore& store,
              const CorpusView& corpus, const TargetTeacher& teacher)
      : task_(context.task),
        mask_(MaskPolicyOf(task_.config().targets().mask())),
        words_(context.progress),
        artifacts_(artifacts),
        store_(store),
        corpus_(corpus),
        teacher_(teacher),
        masker_(mask_, corpus.token_counts(), corpus.special_tokens()) {}

  std::uint64_t TotalUnits() const override { return corpus_.sequences() * mask_.variants; }
  v1::ProgressUnit Unit() const override { return v1::PROGRESS_UNIT_SEQUENCES; }
  Result<std::uint64_t> UnitsOf(ShardId id) const override {
    if (id.round > 0 || id.shard >= store_.shards())
      return Error(Code::kInternal, "the coordinator gave shard {} of a corpus of {} shards", id.shard,
                   store_.shards());
    return (corpus_.ShardEnd(id.shard) - corpus_.ShardBegin(id.shard)) * mask_.variants;
  }

  v1::Phase PhaseOf(ShardId) const override { return v1::PHASE_LOAD; }  // Make enters more exact phases
  Result<std::string> MadeDigest(ShardId id) const override { return store_.SealedDigest(id.shard); }
  Result<std::string> Make(ShardId id, const std::function<void(const ShardProgress&)>& on_progress,
                           std::string* computed) override {
    STILL_ASSIGN_OR_RETURN(const std::uint64_t records_in_all, UnitsOf(id));
    ShardProgress progress;
    std::uint64_t batch = 0;
    words_.Enter(v1::PHASE_INFERENCE);
    words_.SetMicrobatch(batch);
    return BuildShardTargets(
        corpus_, id.shard, masker_, mask_.variants, teacher_, store_.PlaceOf(id.shard), store_.identity(),
        [&](std::uint64_t records, std::uint64_t tokens) {
          progress.units += records;
          progress.tokens += tokens;
          on_progress(progress);
          // The time of a batch is predicted by that of earlier ones. The time of sealing depends on a shared disk.
          words_.Enter(progress.units < records_in_all ? v1::PHASE_INFERENCE : v1::PHASE_SEAL);
          words_.SetMicrobatch(++batch);
        },
        computed);
  }
  Status Quarantine(ShardId id) const override {
    return shards::QuarantineTargetShard(artifacts_, task_.artifacts().targets(), id.shard);
  }
  Status Commit(const WorkMeasures& measures) const override {
    return store_.Commit({{"shards", store_.shards()},
                          {"seconds", measures.seconds},
                          {"tokens_per_second", measures.tokens_per_second}});
  }

 private:
  const v1::WorkerTask& task_;
  const shards::MaskPolicy mask_;
  ProgressWriter& words_;
  const ArtifactStore& artifacts_;
  const TargetStore& store_;
  const CorpusView& corpus_;
  const TargetTeacher& teacher_;
  const shards::Masker masker_;
};

}  // namespace

Status RunTargetsStage(const StageContext& context) {
  const v1::WorkerTask& task = context.task;
  const ArtifactStore artifacts(task.config().artifacts());
  if (artifacts.Has("targets", task.artifacts().targets())) return Ok();  // another rank may have been faster

  STILL_ASSIGN_OR_RETURN(const auto corpus, CorpusView::Open(artifacts.PathOf("corpus", task.artifacts().corpus()),
                                                             shards::Split::kTrain));
  STILL_ASSIGN_OR_RETURN(const auto teacher,
                         TargetTeacher::Load(artifacts.PathOf("teacher", task.artifacts().teacher()),
                                             TargetSpecOf(task.config().targets()),
                                             HasTargetsAtAllPositions(task.config()), UsesBf16(task.config())));
  STILL_ASSIGN_OR_RETURN(
      const TargetStore store,
      TargetStore::Open(artifacts, IdentityBuilder::FromText(task.identity()), teacher->spec(), corpus->shards()));
  STILL_RETURN_IF_ERROR(store.RemoveLeftovers());
  TargetCache cache(context, artifacts, store, *corpus, *teacher);
  return RunLeasedWork("targets", cache, context.control, context.progress);
}

}  // namespace still::worker
