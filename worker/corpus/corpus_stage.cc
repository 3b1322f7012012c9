// The corpus stage. Each pass of shards/corpus/corpus_build.h is a round of leased work, and each task of the pass is a
// shard of that round (leased_artifact.h). No tensor library is needed here.
#include <string>
#include <utility>

#include "common/storage/artifact.h"
#include "shards/corpus/corpus_build.h"
#include "worker/control/leased_artifact.h"
#include "worker/control/stages.h"

namespace still::worker {
namespace {

using shards::CorpusBuild;
using shards::CorpusPass;
using shards::CorpusProgress;

CorpusPass PassOf(ShardId id) { return static_cast<CorpusPass>(id.round); }

constexpr v1::Phase kPhaseOfPass[shards::kCorpusPasses] = {v1::PHASE_TOKENISE, v1::PHASE_PLAN_SHARDS, v1::PHASE_COPY};

class Corpus final : public LeasedArtifact {
 public:
  explicit Corpus(CorpusBuild build) : build_(std::move(build)) {}

  std::uint64_t TotalUnits() const override { return build_.input_bytes(); }
  v1::ProgressUnit Unit() const override { return v1::PROGRESS_UNIT_BYTES; }
  Result<std::uint64_t> UnitsOf(ShardId id) const override {
    if (id.round >= shards::kCorpusPasses)
      return Error(Code::kInternal, "the coordinator gave round {} of a corpus, which is made in {}", id.round,
                   shards::kCorpusPasses);
    STILL_ASSIGN_OR_RETURN(const std::uint32_t tasks, build_.Tasks(PassOf(id)));
    if (id.shard >= tasks)
      return Error(Code::kInternal, "the coordinator gave shard {} of round {} of a corpus, which has {}", id.shard,
                   id.round, tasks);
    return build_.InputBytes(PassOf(id), id.shard);
  }

  v1::Phase PhaseOf(ShardId id) const override {
    return id.round < shards::kCorpusPasses ? kPhaseOfPass[id.round] : v1::PHASE_LOAD;
  }
  Result<std::string> MadeDigest(ShardId id) const override { return build_.MadeDigest(PassOf(id), id.shard); }
  // Only the first pass reports progress: the others process the same documents again.
  Result<std::string> Make(ShardId id, const std::function<void(const ShardProgress&)>& on_progress,
                           std::string* computed) override {
    const bool counts = PassOf(id) == CorpusPass::kTokenise;
    return build_.Make(
        PassOf(id), id.shard,
        [&](const CorpusProgress& made) {
          on_progress(counts ? ShardProgress{.units = made.input_bytes,
                                             .tokens = made.tokens,
                                             .values = {{"documents", static_cast<double>(made.documents)}}}
                             : ShardProgress());
          return Ok();
        },
        computed);
  }
  Result<std::uint32_t> NextShards(ShardId id) const override {
    if (PassOf(id) != CorpusPass::kPlan) return 0U;
    return build_.Tasks(CorpusPass::kCopy);
  }
  Status Quarantine(ShardId id) const override { return build_.Quarantine(PassOf(id), id.shard); }
  Status Commit(const WorkMeasures& measures) const override { return build_.Commit({{"seconds", measures.seconds}}); }

 private:
  CorpusBuild build_;
};

}  // namespace

Status RunCorpusStage(const v1::WorkerTask& task, ControlLink& control, ProgressWriter& words) {
  const ArtifactStore artifacts(task.config().artifacts());
  if (artifacts.Has("corpus", task.artifacts().corpus())) return Ok();  // another rank may have been faster

  const v1::CorpusConfig& config = task.config().corpus();
  // This host may have other files than the coordinator's under the names of the inputs.
  STILL_ASSIGN_OR_RETURN(const shards::CorpusInputs inputs,
                         shards::ReadCorpusInputs(config, task.artifacts().corpus()));
  STILL_ASSIGN_OR_RETURN(CorpusBuild build, CorpusBuild::Open(config, inputs, artifacts));
  Corpus corpus(std::move(build));
  return RunLeasedWork("corpus", corpus, control, words);
}

}  // namespace still::worker
