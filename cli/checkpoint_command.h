// still checkpoint: looking into the checkpoints of a job.
#pragma once

#include <string>

#include "common/status.h"

namespace still::cli {

// The checkpoints under <artifacts>/checkpoints/<digest>, newest first, with their sizes.
Status ListCheckpointsCommand(const std::string& directory, bool json);

// In these two, `path` is a checkpoint or, for the newest one with a manifest (named on stderr), the directory of a
// job's checkpoints. A path that is neither is INVALID_ARGUMENT, damage DATA_LOSS, a missing file NOT_FOUND.

// Reads every byte and compares it with the manifest.
Status VerifyCheckpointCommand(const std::string& path);
// Prints CheckpointHash alone on one line.
Status HashCheckpointCommand(const std::string& path);

}  // namespace still::cli
