// Finds where a run continues: at the newest whole state among the hosts' snapshots and the published checkpoints.
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
// whatever their hosts have on disk. A damaged snapshot is skipped; a damaged checkpoint is set aside as "<name>.bad".
// Returns nothing, and leaves `live` as it was, when no state is found. Any other failure is the same on every rank.
Result<std::optional<v1::CheckpointInfo>> RestoreNewest(Communicator& world, const RestoreSources& sources,
                                                        const std::string& identity,
                                                        const std::vector<ParameterInfo>& layout, LiveState& live);

}  // namespace still::worker
