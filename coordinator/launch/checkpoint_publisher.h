// Publishes the complete checkpoints of one job. It writes the record in the journal first, then the copy of the
// manifest beside the parts. Then it removes directories that are not, or no longer, on record. One thread.
//
// When the journal cannot be written (a full disk), the newest checkpoints wait and the training goes on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/status.h"
#include "common/storage/checkpoint.h"
#include "coordinator/launch/job_journal.h"

namespace still::coordinator {

class CheckpointPublisher {
 public:
  // Checkpoints stand under `directory`. The journal outlives the publisher.
  CheckpointPublisher(JobJournal& journal, std::string directory, CheckpointRetention retention)
      : journal_(journal), directory_(std::move(directory)), retention_(retention) {}

  // Removes directories that the journal does not know and temporaries of dead processes, and forgets checkpoints whose
  // directory is gone. Returns those that are left, newest first. Call it before a launch. UNAVAILABLE when checkpoints
  // are on record and their common directory is not there.
  Result<std::vector<v1::CheckpointManifest>> Reconcile();

  // Queues a checkpoint, all parts of which are durable. When too many wait, the oldest is deleted.
  void Add(v1::CheckpointManifest manifest);
  // Publishes what waits, oldest first, and returns the steps that it published. A failure is kept as trouble().
  std::vector<std::uint64_t> PublishWaiting();

  bool waiting() const { return !waiting_.empty(); }
  // Returns why checkpoints wait, or Ok when none does.
  const Status& trouble() const { return trouble_; }

 private:
  Status Publish(const v1::CheckpointManifest& manifest);
  // Drops the record of the same step when its directory is gone.
  Status DropIfGone(const v1::CheckpointInfo& info);
  // Removes directories of steps up to `up_to_step` that are neither on record nor waiting.
  Status RemoveUnknown(std::uint64_t up_to_step);

  JobJournal& journal_;
  const std::string directory_;
  const CheckpointRetention retention_;
  std::vector<v1::CheckpointManifest> waiting_;  // oldest first
  Status trouble_;
};

}  // namespace still::coordinator
