// The format of checkpoints, and what can be known of one without a tensor library:
//   <artifacts>/checkpoints/<identity digest>/step-NNNNNNNN.g<generation>/
//     part-NNNNN.safetensors  a range of the parameters: "<name>", "first.<name>", "second.<name>" (AdamW's moments)
//     manifest.json           CheckpointManifest as JSON: a copy of the journal's record, for people and tools
// Parts are cut by parameter range, never by rank: any number of ranks writes and reads them. A checkpoint counts when
// its manifest is in the job's journal (coordinator/launch/job_journal.h) and its bytes have the digests written there.
// Steps count completed ones: step-00000100 continues with step 100, the 101st.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

namespace still {

inline constexpr char kManifestFile[] = "manifest.json";

// Everything that the next step depends on, but the tensors.
struct CheckpointInfo {
  std::uint64_t step = 0;  // completed
  std::uint64_t seed = 0;
  std::uint64_t generation = 0;
  std::string identity;  // digest of the artifact that is being trained
  std::uint64_t skipped_steps = 0;
  std::uint64_t skipped_in_a_row = 0;
  std::uint64_t audit_sequences = 0;  // of the epoch in progress: how many were used,
  std::uint64_t audit_hash = 0;       // and the sum of their hashes (worker/train/audit.h)

  friend bool operator==(const CheckpointInfo&, const CheckpointInfo&) = default;
};

struct CheckpointPart {
  std::string file;  // within the checkpoint's directory
  std::uint64_t size = 0;
  std::string sha256;

  friend bool operator==(const CheckpointPart&, const CheckpointPart&) = default;
};

struct CheckpointManifest {
  CheckpointInfo info;
  std::vector<CheckpointPart> parts;  // in order of their parameters

  friend bool operator==(const CheckpointManifest&, const CheckpointManifest&) = default;
};

std::string InfoJson(const CheckpointInfo& info);
Result<CheckpointInfo> ParseInfo(std::string_view json);
std::string ManifestJson(const CheckpointManifest& manifest);
// DATA_LOSS when it is not a manifest.
Result<CheckpointManifest> ParseManifest(std::string_view json);

// Where a checkpoint of this step and generation stands under `directory`.
std::string CheckpointPath(const std::string& directory, std::uint64_t step, std::uint64_t generation);
// "part-00003.safetensors".
std::string PartFile(std::size_t index);

// Paths of the checkpoints' directories under `directory`, newest (highest step, then generation) first; empty when
// there is no such directory. Names only: nothing is read, and not every one of them was published.
Result<std::vector<std::string>> ListCheckpoints(const std::string& directory);

// manifest.json of the checkpoint at `path`.
Result<CheckpointManifest> ReadManifest(const std::string& path);

// Every byte against the manifest's digests; DATA_LOSS (NOT_FOUND when it is missing) names the file.
Status VerifyParts(const std::string& path, const CheckpointManifest& manifest);

// SHA-256 (hex) over names, shapes and bytes of weights and optimizer state, in the order of their names: equal for
// equal training states, however they are cut into parts and whichever generation wrote them.
Result<std::string> CheckpointHash(const std::string& path);

// Those of `steps` (ascending) that may go: all but the newest `keep_last` (at least 1) and multiples of `keep_every`
// (0: none). Pure.
std::vector<std::uint64_t> StepsToRetire(const std::vector<std::uint64_t>& steps, std::uint32_t keep_last,
                                         std::uint32_t keep_every);

}  // namespace still
