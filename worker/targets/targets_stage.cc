// Targets: ranks need each other for nothing. Each leases shard after shard from the coordinator, and the one that is
// told to puts the artifact together; a rank that dies costs the shard that it held.
#include <memory>
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

class TargetsRank {
 public:
  TargetsRank(const StageContext& context, const ArtifactStore& artifacts, const TargetStore& store,
              const CorpusView& corpus, const TargetTeacher& teacher)
      : context_(context),
        artifacts_(artifacts),
        store_(store),
        corpus_(corpus),
        teacher_(teacher),
        masker_(context.task.mask, corpus.token_counts(), corpus.special_tokens()),
        progress_{.total = corpus.sequences() * context.task.mask.variants, .unit = "sequences"} {}

  // Until there is nothing left to do, for anybody.
  Status Run() {
    context_.control.ReportProgress(progress_);
    while (true) {
      STILL_ASSIGN_OR_RETURN(const ShardLease lease, context_.control.NextShard());
      switch (lease.kind) {
        case ShardLease::Kind::kShard: STILL_RETURN_IF_ERROR(Compute(lease.shard)); break;
        case ShardLease::Kind::kCommit: return Commit(lease.tokens);
        case ShardLease::Kind::kDone: return Ok();
      }
    }
  }

 private:
  Status Compute(std::uint32_t shard) {
    if (shard >= store_.shards())
      return Error(Code::kInternal, "the coordinator gave shard {} of a corpus of {} shards", shard, store_.shards());
    const std::uint64_t tokens_before = progress_.tokens;
    FinishedShard finished{.shard = shard, .units = Records(shard)};
    Result<std::string> digest = store_.SealedDigest(shard);  // by an earlier launch, or a rank that died since
    finished.found = digest.ok();
    if (digest.status().code() == Code::kNotFound) digest = Build(shard, &finished.digest);
    if (digest.status().code() == Code::kDataLoss && !finished.digest.empty()) {
      // Whose result is wrong, nobody knows. The coordinator, who may know the other rank, is told of it, too.
      STILL_RETURN_IF_ERROR(shards::QuarantineTargetShard(artifacts_, context_.task.targets, shard));
      STILL_RETURN_IF_ERROR(context_.control.ShardDone(finished));
    }
    STILL_RETURN_IF_ERROR(digest.status());
    finished.digest = *digest;
    finished.tokens = progress_.tokens - tokens_before;
    return context_.control.ShardDone(finished);
  }

  Result<std::string> Build(std::uint32_t shard, std::string* computed) {
    progress_.done = 0;
    std::uint64_t batch = 0;
    context_.progress.Enter(Phase::kInference);
    context_.progress.SetMicrobatch(batch);
    Result<std::string> digest = BuildShardTargets(
        corpus_, shard, masker_, context_.task.mask.variants, teacher_, store_.PlaceOf(shard), store_.identity(),
        [&](std::uint64_t records, std::uint64_t tokens) {
          progress_.done += records;
          progress_.tokens += tokens;
          context_.control.ReportProgress(progress_);
          // What a batch takes is known by the last ones; what sealing takes, a disk that others use decides.
          context_.progress.Enter(progress_.done < Records(shard) ? Phase::kInference : Phase::kStage);
          context_.progress.SetMicrobatch(++batch);
        },
        computed);
    context_.progress.Enter(Phase::kStage);  // also after a failure
    return digest;
  }

  std::uint64_t Records(std::uint32_t shard) const {
    return (corpus_.ShardEnd(shard) - corpus_.ShardBegin(shard)) * context_.task.mask.variants;
  }

  // The result is said here and now: the others wait for it.
  Status Commit(std::uint64_t tokens) {
    const double seconds = SecondsSince(clock_, start_);
    const double tokens_per_second = static_cast<double>(tokens) / seconds;
    LogInfo("targets: {} tokens in {:.1f} s, {:.0f} tokens/s", tokens, seconds, tokens_per_second);
    STILL_RETURN_IF_ERROR(
        store_.Commit({{"shards", store_.shards()}, {"seconds", seconds}, {"tokens_per_second", tokens_per_second}}));
    context_.control.ReportResult(Ok());
    return Ok();
  }

  const StageContext& context_;
  const ArtifactStore& artifacts_;
  const TargetStore& store_;
  const CorpusView& corpus_;
  const TargetTeacher& teacher_;
  const shards::Masker masker_;
  const Clock& clock_ = Clock::System();
  const Clock::TimePoint start_ = clock_.Now();
  StageProgress progress_;  // `done` of the shard in hand, `tokens` of all
};

}  // namespace

Status RunTargetsStage(const StageContext& context) {
  const Task& task = context.task;
  const ArtifactStore artifacts(task.artifacts_root);
  if (artifacts.Has("targets", task.targets)) return Ok();  // while this rank was starting, perhaps

  STILL_ASSIGN_OR_RETURN(const auto corpus,
                         CorpusView::Open(artifacts.PathOf("corpus", task.corpus), shards::Split::kTrain));
  STILL_ASSIGN_OR_RETURN(const auto teacher,
                         TargetTeacher::Load(artifacts.PathOf("teacher", task.teacher), task.target_spec,
                                             task.targets_at_all_positions, task.bf16));
  STILL_ASSIGN_OR_RETURN(const TargetStore store, TargetStore::Open(artifacts, IdentityBuilder::FromText(task.identity),
                                                                    teacher->spec(), corpus->shards()));
  STILL_RETURN_IF_ERROR(store.RemoveLeftovers());
  return TargetsRank(context, artifacts, store, *corpus, *teacher).Run();
}

}  // namespace still::worker
