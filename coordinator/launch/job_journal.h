// Keeps what a job must never forget while it makes its artifact, in a database of its own:
//   <artifacts>/jobs/<kind>-<digest>/journal
//     generation                the job's fencing number, which rises for ever
//     manifest/<step>           a published checkpoint, as ManifestJson writes it; this record is the commit
//     end/<generation>          how a generation ended: a GenerationEnd of coordinator.proto
// Everything is on disk before the call that wrote it returns, so nothing is announced that could be forgotten. On a
// full disk (RESOURCE_EXHAUSTED) the call has changed nothing, and the same call works once there is space.
// Thread-safe, as its store is. Only one process at a time has it open.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/enum_words.h"
#include "common/proto/coordinator.pb.h"
#include "common/status.h"
#include "common/storage/checkpoint.h"
#include "common/storage/kv_store.h"

namespace still::coordinator {

// Says which published checkpoints stay.
struct CheckpointRetention {
  std::uint32_t keep_last = 2;
  std::uint32_t keep_every = 0;  // also those whose step is a multiple of this; 0: no others
};

class JobJournal {
 public:
  // UNAVAILABLE when another process has it open; DATA_LOSS when it is damaged, with what to do.
  static Result<std::unique_ptr<JobJournal>> Open(const std::string& path);
  // Takes over an open store. `path` names the journal in messages.
  JobJournal(std::string path, std::unique_ptr<KvStore> store) : path_(std::move(path)), store_(std::move(store)) {}

  // Records and returns a number above every one before. With `end`, the end of the generation before is recorded in
  // the same transaction.
  Result<std::uint64_t> NextGeneration(const std::optional<v1::GenerationEnd>& end = {});
  // Returns the newest generation, or 0 before the first.
  Result<std::uint64_t> Generation() const;

  // Records a checkpoint and forgets those that need not be kept any more, in one transaction. Returns the forgotten
  // ones, oldest first. A step that is published already stays as it was; that is Ok.
  Result<std::vector<v1::CheckpointManifest>> Publish(const v1::CheckpointManifest& manifest,
                                                      const CheckpointRetention& retention);
  // Forgets a checkpoint that was found damaged or missing. Ok when it is not on record.
  Status Drop(std::uint64_t step, std::uint64_t generation);
  // Returns the published checkpoints, newest first.
  Result<std::vector<v1::CheckpointManifest>> Manifests() const;

  // Records how a generation ended, unless that is on record already.
  Status RecordEnd(const v1::GenerationEnd& end);
  // Returns how the generations ended, oldest first.
  Result<std::vector<v1::GenerationEnd>> Ends() const;

 private:
  Status Damaged(const Status& why) const;

  const std::string path_;
  const std::unique_ptr<KvStore> store_;
};

}  // namespace still::coordinator
