// A corpus under construction, by any number of processes on one file system (sharded_builder.h), in three passes. The
// tasks of a pass do not depend on each other and may be done twice. A pass begins when the one before it is done.
//
// clang-format off
//   tokenise  one input split   -> its documents: tokens, digests, lengths
//   plan      all input splits  -> duplicates dropped in input order, every sequence given to a shard (one task)
//   copy      one shard         -> its sequences, from the input splits
//
//   <artifacts>/corpus/<digest>.split-NNNNN.tmp-<host>-<pid>       being made, by any number of processes
//   <artifacts>/corpus/<digest>.splits/split-NNNNN, shard-plan     results of the first two passes, removed by Commit
//   <artifacts>/corpus/<digest>.<plan>.building/train-NNNNN, ...   shards; <plan> is the plan's digest, 16 digits of it
//   <artifacts>/corpus/<digest>/                                   the same directory, renamed when all are sealed
//   <artifacts>/corpus/<digest>.split-NNNNN.bad, ...               made, but another process made something else
// clang-format on
//
// The bytes of the corpus do not depend on which process did which task.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/digest.h"
#include "common/status.h"
#include "common/storage/artifact.h"
#include "shards/corpus/corpus_inputs.h"
#include "shards/corpus/input_splits.h"
#include "shards/sharded_builder.h"

namespace still::shards {

enum class CorpusPass { kTokenise, kPlan, kCopy };
inline constexpr int kCorpusPasses = 3;

// The work that one task has done so far.
struct CorpusProgress {
  std::uint64_t input_bytes = 0;
  std::uint64_t documents = 0;  // duplicates included
  std::uint64_t tokens = 0;
};

class ShardPlan;
class ShardWriter;
class SplitFile;
class Tokenizer;
struct MadeFor;

// Makes tasks and commits the artifact. All state is on disk: a process may be killed at any instant, and what stands
// under a final name is whole and never made again. Used by one thread.
class CorpusBuild {
 public:
  // Reads only the sizes of the inputs. Removes what dead processes of this host left half made, and what is left of
  // the splits when the artifact stands. All processes that build one corpus must use the same `split_bytes`; other
  // values than the default are for tests.
  static Result<CorpusBuild> Open(const v1::CorpusConfig& config, const CorpusInputs& inputs,
                                  const ArtifactStore& artifacts, const SplitBytes& split_bytes = {});

  // When the artifact stands, removes all else that its making left.
  static Status RemoveRemains(const ArtifactStore& artifacts, const std::string& digest);

  bool Committed() const { return builder_.Committed(); }
  std::uint64_t input_bytes() const { return input_bytes_; }
  // Returns how many tasks the pass has. NOT_FOUND for kCopy until the plan is made.
  Result<std::uint32_t> Tasks(CorpusPass pass) const;
  // Returns how many bytes of input the task reads, which progress is counted in. It is 0 except for kTokenise.
  std::uint64_t InputBytes(CorpusPass pass, std::uint32_t task) const;

  // Returns the digest of the task's result. NOT_FOUND when the result is not made, or was removed because the artifact
  // is committed and holds the shards alone.
  Result<std::string> MadeDigest(CorpusPass pass, std::uint32_t task) const;
  // Does the task and returns the digest of its result. An error of `on_progress` ends it and is returned. DATA_LOSS
  // when the result of another process stands and differs; `*computed` is then the digest of this one's.
  // ALREADY_EXISTS when another process committed the artifact and removed what this task needs.
  Result<std::string> Make(CorpusPass pass, std::uint32_t task,
                           const std::function<Status(const CorpusProgress&)>& on_progress, std::string* computed);
  // Sets the task's result aside (".bad"), so that it is made anew, and removes what was made from it. That is the plan
  // and all shards for a split, all shards for the plan. An artifact that holds it is removed as a whole. Succeeds when
  // the result does not exist.
  Status Quarantine(CorpusPass pass, std::uint32_t task) const;

  // Checks all shards, writes manifest, vocabulary and `summary` with the counts added, renames, and removes the
  // splits. NOT_FOUND, and no artifact, when a shard is missing or was set aside meanwhile. May be called again after a
  // crash and by two processes at once: succeeds when the artifact stands.
  Status Commit(Summary summary) const;

 private:
  using OnProgress = std::function<Status(const CorpusProgress&)>;

  CorpusBuild(const v1::CorpusConfig& config, const CorpusInputs& inputs, const ArtifactStore& artifacts);

  Status MakeSplit(std::uint32_t task, const OnProgress& on_progress, std::string* computed) const;
  Status MakePlan(const OnProgress& on_progress, std::string* computed) const;
  Status MakeShard(std::uint32_t task, const OnProgress& on_progress, std::string* computed) const;
  Status CopySequences(const ShardPlan& plan, std::uint32_t task, const OnProgress& on_progress,
                       ShardWriter* shard) const;
  Status CommitBuilding(Summary summary) const;
  Status TakeApart(const ShardPlace& place) const;

  Result<ShardPlace> PlaceOf(CorpusPass pass, std::uint32_t task) const;
  std::string BuildingPath(const ShardPlan& plan) const;
  MadeFor MadeForOf(std::uint32_t split) const;
  Result<std::unique_ptr<AtomicFile>> CreateFile(CorpusPass pass, std::uint32_t task) const;
  Result<std::unique_ptr<SplitFile>> OpenSplit(std::uint32_t split) const;
  Result<std::shared_ptr<SplitFile>> OpenPlannedSplit(std::uint32_t split, const Sha256Digest& sha256) const;
  Result<std::shared_ptr<const ShardPlan>> OpenPlan() const;

  v1::CorpusConfig config_;
  std::string identity_;
  std::string digest_;
  ShardedBuilder builder_;
  std::string splits_path_;
  std::vector<InputSplit> input_;
  std::uint64_t input_bytes_ = 0;
  std::shared_ptr<const Tokenizer> tokenizer_;
  mutable std::shared_ptr<const ShardPlan> plan_;  // the one that was opened last
  mutable std::shared_ptr<SplitFile> split_;       // the one that was copied from last
};

}  // namespace still::shards
