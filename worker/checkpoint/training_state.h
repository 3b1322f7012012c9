// Saving and restoring a training run: everything that the next step depends on and the seed alone does not give.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/status.h"
#include "worker/checkpoint/checkpoint.h"
#include "worker/model/layout.h"

namespace still::worker {

// A copy, taken between steps; flat buffers in the order of `layout`.
struct TrainingState {
  CheckpointInfo info;  // the digests of files are filled in when it is written
  std::vector<ParameterInfo> layout;
  std::vector<float> weights;
  std::vector<float> first_moment;
  std::vector<float> second_moment;
};

// Writes checkpoints under one directory and keeps the newest `keep` of them. Used by one rank; takes its snapshot by
// value, so that writing may move to another thread without touching the trainer.
class CheckpointWriter {
 public:
  CheckpointWriter(std::string directory, std::uint32_t keep);

  // A checkpoint that already stands under this name is the same bytes and counts as written. On failure the older ones
  // are untouched.
  Status Write(TrainingState state);

 private:
  Status RemoveOld() const;

  std::string directory_;
  std::uint32_t keep_;
};

// Reads and checks one checkpoint: digests, identity, and that its tensors are those of `layout`. DATA_LOSS otherwise.
Result<TrainingState> LoadCheckpoint(const std::string& path, const std::string& identity,
                                     const std::vector<ParameterInfo>& layout);

struct FoundCheckpoint {
  std::string path;  // empty: there is none
  TrainingState state;
};

// The newest checkpoint that loads. One that does not is reported, renamed to "<name>.bad" and left for inspection.
// For one rank: it decides for all.
Result<FoundCheckpoint> LoadNewestCheckpoint(const std::string& directory, const std::string& identity,
                                             const std::vector<ParameterInfo>& layout);

}  // namespace still::worker
