// Saves the state that a run continues from: a snapshot in memory after every step, and checkpoints on disk from time
// to time. Each rank saves its share. A failure to write does not end a run: it is reported, and saving is tried again
// later. Only the errors that a function names end it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/status.h"
#include "common/storage/checkpoint.h"
#include "worker/checkpoint/background_writer.h"
#include "worker/checkpoint/memory_snapshot.h"
#include "worker/checkpoint/schedule.h"
#include "worker/collective/communicator.h"
#include "worker/control/control_link.h"
#include "worker/guardian/shared_progress.h"

namespace still::worker {

struct KeeperOptions {
  std::string checkpoint_directory;               // also holds training.jsonl
  std::vector<v1::CheckpointManifest> published;  // newest first
  std::string snapshot_directory;                 // empty when no snapshots are wanted
  ScheduleOptions schedule;
  std::uint64_t generation = 0;  // of the launch
};

// Owned by one thread.
class StateKeeper {
 public:
  StateKeeper(const KeeperOptions& options, const std::string& identity, const std::vector<ParameterInfo>& layout,
              Communicator& world, ControlLink& control, ProgressWriter& progress);

  // Collective. Restores the newest state into `live`; see RestoreNewest.
  Result<std::optional<v1::CheckpointInfo>> Restore(LiveState& live);
  // Starts the schedule. Call it before the first step of a launch.
  void StartAt(std::uint64_t step);

  bool CheckpointDue(std::uint64_t step) const { return schedule_.Due(step, clock_.Now()); }
  bool writer_busy() const { return writer_.busy(); }

  // Writes a snapshot and returns the seconds it took. Call it on all ranks after every committed step.
  double Snapshot(const v1::CheckpointInfo& info, const LiveState& live);
  // Removes the snapshots, so that no launch continues from them.
  void RemoveSnapshots() { snapshot_.Remove(); }
  // Copies the state for the background writer and returns the seconds of the copy. Call it on all ranks, and only when
  // none of their writers is busy. For `log` see BackgroundWriter.
  double BeginCheckpoint(const v1::CheckpointInfo& info, const LiveState& live, const std::string& log);
  // Tells the coordinator when the share that was being written is durable. Call it between steps. ABORTED when fenced.
  Status Poll();
  // Writes a checkpoint of this state, unless the last one is of the same step. Blocks until this rank's share is
  // written. The leading rank also waits until the checkpoint is published, or cannot be. ABORTED when fenced.
  Status Finish(const v1::CheckpointInfo& info, const LiveState& live, const std::string& log);
  // UNAVAILABLE when the coordinator has not published a checkpoint of this step. Only the leading rank knows that, so
  // on all others it is Ok.
  Status CheckPublished(std::uint64_t step) const;

 private:
  void ReportTrouble(const Status& trouble);
  bool WaitUntil(const std::function<bool()>& done, Status* fenced);

  const KeeperOptions options_;
  const std::string identity_;
  const std::vector<ParameterInfo> layout_;
  Communicator& world_;
  ControlLink& control_;
  ProgressWriter& progress_;
  Clock& clock_;
  MemorySnapshot snapshot_;
  BackgroundWriter writer_;
  CheckpointSchedule schedule_;
  std::optional<std::uint64_t> last_begun_;  // step
  bool last_failed_ = false;
  std::uint64_t snapshots_off_until_ = 0;  // step, after a failure
  std::string trouble_;
};

}  // namespace still::worker
