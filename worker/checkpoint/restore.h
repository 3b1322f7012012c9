// Where a run continues: the newest state that is whole, of the hosts' memory and of the published checkpoints.
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
  std::string directory;                      // of checkpoints
  std::vector<CheckpointManifest> published;  // newest first; the same on all ranks
  MemorySnapshot& snapshot;
};

// Collective. One rank reads and checks; everybody gets its bytes, so all ranks hold the same state whatever their
// hosts have on disk. A snapshot that does not check out is passed over, a checkpoint set aside as "<name>.bad".
// Nothing found: `live` is as it was. Any other failure is the same on every rank.
Result<std::optional<CheckpointInfo>> RestoreNewest(Communicator& world, const RestoreSources& sources,
                                                    const std::string& identity,
                                                    const std::vector<ParameterInfo>& layout, const LiveState& live);

}  // namespace still::worker
