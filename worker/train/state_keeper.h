// Keeps what is needed to continue: the snapshot in memory after every step, checkpoints on disk now and then, both of
// this rank's share. Nothing here fails a run: what cannot be kept is said, and tried again later.
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
#include "worker/guardian/progress_words.h"

namespace still::worker {

struct KeeperOptions {
  std::string checkpoint_directory;           // also holds training.jsonl
  std::vector<CheckpointManifest> published;  // newest first
  std::string snapshot_directory;             // empty: none
  ScheduleOptions schedule;
  std::uint64_t generation = 0;  // of the launch
};

// Owned by one thread.
class StateKeeper {
 public:
  StateKeeper(const KeeperOptions& options, const std::string& identity, const std::vector<ParameterInfo>& layout,
              Communicator& world, ControlLink& control, ProgressWriter& progress);

  // Collective: see RestoreNewest.
  Result<std::optional<CheckpointInfo>> Restore(const LiveState& live);
  // Before the first step of a launch.
  void StartAt(std::uint64_t step);

  bool CheckpointDue(std::uint64_t step) const { return schedule_.Due(step, clock_.Now()); }
  bool writer_busy() const { return writer_.busy(); }

  // After every committed step, on all ranks; returns the seconds it took.
  double Snapshot(const CheckpointInfo& info, const LiveState& live);
  // Nobody shall continue from them.
  void RemoveSnapshots() { snapshot_.Remove(); }
  // On all ranks, none of whose writers is busy; returns the seconds of the copy.
  // `log`: see BackgroundWriter.
  double BeginCheckpoint(const CheckpointInfo& info, const LiveState& live, const std::string& log);
  // Tells the coordinator when the share being written has become durable. Between steps. ABORTED: fenced.
  Status Poll();
  // Writes a checkpoint of this state, unless the last one is of it, and waits until this rank's share is written and,
  // on the leading rank, until all is published, or cannot be.
  // ABORTED: fenced.
  Status Finish(const CheckpointInfo& info, const LiveState& live, const std::string& log);
  // UNAVAILABLE when no checkpoint of this step is on the coordinator's record. Ok on all ranks but the leading one,
  // which alone knows.
  Status CheckPublished(std::uint64_t step) const;

 private:
  void NoteTrouble(const Status& trouble);
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
