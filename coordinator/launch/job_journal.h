// What the making of one artifact (a job) must never forget, in a database of its own:
//   <artifacts>/jobs/<kind>-<digest>/journal
//     generation                the job's fencing number: rises for ever
//     manifest/<step>           published checkpoints, as ManifestJson writes them; this record is the commit
//     end/<generation>          how each generation ended
// Everything is on disk before the call that wrote it returns, so nothing is announced that could be forgotten. On a
// full disk (RESOURCE_EXHAUSTED) nothing of the call happened, and the same call works once there is space.
// Thread-safe, as its store; one process at a time has it open.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/status.h"
#include "common/storage/checkpoint.h"
#include "common/storage/kv_store.h"
#include "coordinator/launch/generation_end.h"

namespace still::coordinator {

// Which published checkpoints stay.
struct CheckpointRetention {
  std::uint32_t keep_last = 2;
  std::uint32_t keep_every = 0;  // steps; 0: none beyond the last
};

class JobJournal {
 public:
  // UNAVAILABLE when another process has it open; DATA_LOSS when it is damaged, with what to do.
  static Result<std::unique_ptr<JobJournal>> Open(const std::string& path);
  // `path` names it in messages.
  JobJournal(std::string path, std::unique_ptr<KvStore> store) : path_(std::move(path)), store_(std::move(store)) {}

  // A number above every one before. With `end`, how the generation before ended is recorded in the same breath.
  Result<std::uint64_t> NextGeneration(const std::optional<GenerationEnd>& end = {});
  // 0 before the first.
  Result<std::uint64_t> Generation() const;

  // Records a checkpoint and forgets those that need not be kept any more, which are returned, oldest first: all at
  // once. A step that is published already stays as it was; Ok.
  Result<std::vector<CheckpointManifest>> Publish(const CheckpointManifest& manifest,
                                                  const CheckpointRetention& retention);
  // Forgets a checkpoint that was found damaged or missing. Ok when it is not recorded.
  Status Drop(std::uint64_t step, std::uint64_t generation);
  // Newest first.
  Result<std::vector<CheckpointManifest>> Manifests() const;

  // The first record of a generation's end stays.
  Status RecordEnd(const GenerationEnd& end);
  // Oldest first.
  Result<std::vector<GenerationEnd>> Ends() const;

 private:
  Status Damaged(const Status& why) const;

  const std::string path_;
  const std::unique_ptr<KvStore> store_;
};

}  // namespace still::coordinator
