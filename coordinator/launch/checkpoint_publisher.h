// Makes complete checkpoints count, one job's: the journal's record first, then the copy of the manifest beside the
// parts, then the removal of directories that do not count (any more). One thread.
//
// When the journal cannot be written (a full disk), the newest checkpoints wait, and the training goes on.
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
  // Checkpoints stand under `directory`. The journal outlives this.
  CheckpointPublisher(JobJournal& journal, std::string directory, CheckpointRetention retention)
      : journal_(journal), directory_(std::move(directory)), retention_(retention) {}

  // Before a launch: removes directories that the journal does not know and temporaries of dead processes, forgets
  // checkpoints whose directory is gone. Returns those that are left, newest first.
  Result<std::vector<CheckpointManifest>> Reconcile();

  // Every part of it is durable.
  void Add(CheckpointManifest manifest);
  // Publishes what waits, oldest first, and returns the steps that are published now. A failure is kept as trouble().
  std::vector<std::uint64_t> PublishWaiting();

  bool waiting() const { return !waiting_.empty(); }
  // Why something waits; Ok when nothing does.
  const Status& trouble() const { return trouble_; }

 private:
  Status Publish(const CheckpointManifest& manifest);
  Status MakeWay(const CheckpointInfo& info);
  Status RemoveUnknown(std::uint64_t up_to_step);

  JobJournal& journal_;
  const std::string directory_;
  const CheckpointRetention retention_;
  std::vector<CheckpointManifest> waiting_;  // oldest first
  Status trouble_;
};

}  // namespace still::coordinator
