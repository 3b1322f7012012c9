// Checkpoints on disk, and what can be known of them without a tensor library:
//   <artifacts>/checkpoints/<identity digest>/step-NNNNNNNN.g<generation>/
//     weights.safetensors    the parameters by name
//     optimizer.safetensors  "first.<name>", "second.<name>": AdamW's moments
//     checkpoint.json        step, seed, generation, identity, counters, SHA-256 of both files and of the weights
// A checkpoint exists when its directory does (renamed into place complete) and counts when its digests match.
// Steps count completed ones: step-00000100 continues with step 100, the 101st.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/status.h"

namespace still::worker {

inline constexpr char kWeightsFile[] = "weights.safetensors";
inline constexpr char kOptimizerFile[] = "optimizer.safetensors";
inline constexpr char kCheckpointFile[] = "checkpoint.json";

struct CheckpointInfo {
  std::uint64_t step = 0;  // completed
  std::uint64_t seed = 0;
  std::uint64_t generation = 0;
  std::string identity;  // digest of the artifact that is being trained
  std::uint64_t skipped_steps = 0;
  std::uint64_t skipped_in_a_row = 0;
  std::string weights_digest;  // ParameterSet::WeightsDigest
  std::string weights_sha256;  // of the files
  std::string optimizer_sha256;
};

// Where a checkpoint of this step and generation stands under `directory`.
std::string CheckpointPath(const std::string& directory, std::uint64_t step, std::uint64_t generation);

// Paths of the checkpoints under `directory`, newest (highest step, then generation) first; empty when there is no such
// directory. Names only: nothing is read.
Result<std::vector<std::string>> ListCheckpoints(const std::string& directory);

// Reads checkpoint.json and checks both files against it; DATA_LOSS names the file that does not match.
Result<CheckpointInfo> VerifyCheckpoint(const std::string& path);

// SHA-256 (hex) over names, shapes and bytes of weights and optimizer state: equal for equal training states.
Result<std::string> CheckpointHash(const std::string& path);

}  // namespace still::worker
