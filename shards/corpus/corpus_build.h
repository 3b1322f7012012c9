// A corpus in the making, by any number of processes on one file system, in three passes. The tasks of a pass need each
// other for nothing and may be done twice; a pass begins when the one before it is done.
//
//   tokenise  a split of the input -> its documents: tokens, digests, lengths
//   plan      all splits           -> duplicates dropped in input order, every sequence given its shard (one task)
//   copy      a shard              -> its sequences, from the splits
//
//   <artifacts>/corpus/<digest>.split-NNNNN.tmp-<host>-<pid> ...   being made, by as many processes as like to
//   <artifacts>/corpus/<digest>.splits/split-NNNNN, plan    what the first two passes made; removed by Commit
//   <artifacts>/corpus/<digest>.<plan>.building/train-NNNNN ...  shards, one by one; of the plan whose digest begins so
//   <artifacts>/corpus/<digest>/                            the same directory, renamed when all are there
//   <artifacts>/corpus/<digest>.split-NNNNN.bad ...         made, but another process made something else
//
// The bytes do not depend on who did what. Safe to be killed at any instant: what stands under a final name is whole
// and is never made again. Stateless over the file system. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/digest.h"
#include "common/status.h"
#include "common/storage/artifact.h"
#include "shards/corpus/corpus_options.h"
#include "shards/corpus/input_splits.h"

namespace still::shards {

enum class CorpusPass { kTokenise, kPlan, kCopy };
inline constexpr int kCorpusPasses = 3;

struct CorpusProgress {  // of one task
  std::uint64_t input_bytes = 0;
  std::uint64_t documents = 0;  // duplicates too
  std::uint64_t tokens = 0;
};

class ShardPlan;
class SplitFile;
class ShardWriter;
class Tokenizer;
struct MadeFor;

class CorpusBuild {
 public:
  // Of the inputs nothing is looked at any more but sizes. Removes what killed processes of this host left half made,
  // and what is left of the splits when the artifact stands.
  // `split_bytes`: the same for all who build one corpus; others than the usual ones are for tests.
  static Result<CorpusBuild> Open(const CorpusOptions& options, const CorpusInputs& inputs,
                                  const ArtifactStore& artifacts, const SplitBytes& split_bytes = {});

  // When the artifact stands: removes what else is there of its making.
  static Status RemoveRemains(const ArtifactStore& artifacts, const std::string& digest);

  bool Committed() const;
  std::uint64_t input_bytes() const { return input_bytes_; }
  // How many tasks the pass has. Of kCopy: NOT_FOUND until the plan is made.
  Result<std::uint32_t> Tasks(CorpusPass pass) const;
  // Bytes of input that the task reads, which is what progress counts; 0 but for kTokenise.
  std::uint64_t InputBytes(CorpusPass pass, std::uint32_t task) const;

  // The digest of the task's result, if it is made. NOT_FOUND when it is not, or not any more: the artifact is
  // committed and holds the shards alone.
  Result<std::string> MadeDigest(CorpusPass pass, std::uint32_t task) const;
  // Makes it and returns its digest. An error of `on_progress` ends it. DATA_LOSS when another process's result stands
  // by now and differs: whose is wrong, nobody knows; `*computed` is then the digest of this one's. ALREADY_EXISTS when
  // the artifact was committed meanwhile, and what this task needs has gone.
  Result<std::string> Make(CorpusPass pass, std::uint32_t task,
                           const std::function<Status(const CorpusProgress&)>& on_progress, std::string* computed);
  // Sets the task's result aside (".bad"), so that it is made anew. What was made from it goes: of a split the plan and
  // all shards, of the plan all shards, and of any an artifact with all that is in it. Nothing there is success.
  Status Quarantine(CorpusPass pass, std::uint32_t task) const;

  // Checks that all is there, writes manifest, vocabulary, and `summary` with the counts added, renames, and removes
  // the splits. NOT_FOUND, and no artifact, when a shard was set aside meanwhile. May be called again after a crash,
  // and by two processes at once; done already is success.
  Status Commit(Summary summary) const;

 private:
  CorpusBuild() = default;

  using OnProgress = std::function<Status(const CorpusProgress&)>;
  Status MakeSplit(std::uint32_t task, const OnProgress& on_progress, std::string* computed) const;
  Status MakePlan(const OnProgress& on_progress, std::string* computed) const;
  Status MakeShard(std::uint32_t task, const OnProgress& on_progress, std::string* computed) const;
  Status CopySequences(const ShardPlan& plan, std::uint32_t task, const OnProgress& on_progress,
                       ShardWriter* shard) const;
  Status CommitBuilding(Summary summary) const;
  Status TakeApart(const std::string& name) const;
  Status RemoveLeftovers() const;

  // Where a shard is: of a plan, or of the artifact, which outlives it.
  struct ShardPlace {
    std::shared_ptr<const ShardPlan> plan;  // null: of the artifact
    std::string name;                       // "train-00003"
  };
  Result<ShardPlace> FindShard(std::uint32_t task) const;
  std::string BuildingPath(const ShardPlan& plan) const;
  std::string StagedAs(const std::string& name) const;
  MadeFor MadeForOf(std::uint32_t split) const;
  Result<std::unique_ptr<SplitFile>> OpenSplit(std::uint32_t split) const;
  Result<std::shared_ptr<SplitFile>> OpenPlannedSplit(std::uint32_t split, const Sha256Digest& sha256) const;
  Result<std::shared_ptr<const ShardPlan>> OpenPlan() const;

  CorpusOptions options_;
  std::string identity_;
  std::string digest_;
  std::string final_path_;
  std::string splits_path_;
  std::vector<InputSplit> input_;
  std::uint64_t input_bytes_ = 0;
  std::shared_ptr<const Tokenizer> tokenizer_;
  mutable std::shared_ptr<const ShardPlan> plan_;  // as last seen
  mutable std::shared_ptr<SplitFile> split_;       // the last one copied from
};

}  // namespace still::shards
