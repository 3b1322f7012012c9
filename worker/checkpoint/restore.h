// Finds where a run continues: at the newest state that a host's snapshot or a published checkpoint claims. When that
// snapshot is damaged, all snapshots are left out and the newest whole checkpoint is taken.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/status.h"
#include "common/storage/checkpoint.h"
#include "worker/checkpoint/memory_snapshot.h"
#include "worker/checkpoint/training_state.h"
#include "worker/collective/communicator.h"
#include "worker/model/layout.h"

namespace still::worker {

struct RestoreSources {
  std::string directory;                          // of checkpoints
  std::vector<v1::CheckpointManifest> published;  // newest first; the same on all ranks
  MemorySnapshot& snapshot;
};

// Collective. One rank reads and checks the state, and all ranks get its bytes. So all ranks hold the same state,
// whatever their hosts have on disk. After a damaged snapshot no other one is tried. A damaged checkpoint is set aside
// as "<name>.bad"; only the rank that reads it returns the error when that fails.
// Returns nothing, and leaves `live` as it was, when no state is found. Any other failure is the same on every rank.
Result<std::optional<v1::CheckpointInfo>> RestoreNewest(Communicator& world, const RestoreSources& sources,
                                                        const std::string& identity,
                                                        const std::vector<ParameterInfo>& layout, LiveState& live);

}  // namespace still::worker
