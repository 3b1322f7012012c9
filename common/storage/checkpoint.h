// The format of checkpoints, and what can be read of one without a tensor library.
//
// clang-format off
//   <artifacts>/checkpoints/<identity digest>/step-NNNNNNNN.g<generation>/
//     part-NNNNN.safetensors  a range of the parameters: "<name>", "first.<name>", "second.<name>" (AdamW's moments)
//     manifest.json           CheckpointManifest (control.proto) as JSON, a copy of the journal's record for people
// clang-format on
//
// Parts are cut by parameter range and never by rank, so any number of ranks writes and reads them. A checkpoint counts
// when its manifest is in the job's journal (coordinator/launch/job_journal.h) and its bytes have the digests written
// there. The step is the number of completed steps: step-00000100 continues with step 100, the 101st.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/proto/control.pb.h"
#include "common/status.h"

namespace still {

namespace v1 = ::stillhouse::v1;

inline constexpr char kManifestFile[] = "manifest.json";

// Returns the manifest as JSON: every field of the message under its name, numbers as numbers.
std::string ManifestJson(const v1::CheckpointManifest& manifest);
// Reads what ManifestJson wrote. Returns DATA_LOSS for a text that is not a manifest. The message says why: a field is
// missing or of another type, a part is named twice, or a part's name leads out of the checkpoint's directory.
Result<v1::CheckpointManifest> ParseManifest(std::string_view json);

// Returns the directory of the checkpoint of this step and generation under `directory`.
std::string CheckpointPath(const std::string& directory, std::uint64_t step, std::uint64_t generation);
inline std::string CheckpointPath(const std::string& directory, const v1::CheckpointInfo& info) {
  return CheckpointPath(directory, info.step(), info.generation());
}
// Returns the name of a part, for example "part-00003.safetensors".
std::string PartFile(std::size_t index);

// Returns the paths of the checkpoints under `directory`, newest first: by step, then by generation. Returns none when
// there is no such directory. It looks at names only, so some of these checkpoints may never have been published.
Result<std::vector<std::string>> ListCheckpoints(const std::string& directory);

// Reads manifest.json of the checkpoint at `path`.
Result<v1::CheckpointManifest> ReadManifest(const std::string& path);

// Checks every byte against the manifest's digests. The error names the file: DATA_LOSS, or NOT_FOUND when it is
// missing.
Status VerifyParts(const std::string& path, const v1::CheckpointManifest& manifest);

// Returns the SHA-256, in hex, over names, shapes and bytes of weights and optimizer state, in the order of their
// names. Equal training states have equal hashes, however they are cut into parts and whichever generation wrote them.
Result<std::string> CheckpointHash(const std::string& path);

// Returns the `steps` (ascending) whose checkpoints may be deleted: all but the newest `keep_last` (at least 1) and the
// multiples of `keep_every` (0: none). Pure. coordinator/launch/checkpoint_publisher.h deletes them.
std::vector<std::uint64_t> StepsToRetire(const std::vector<std::uint64_t>& steps, std::uint32_t keep_last,
                                         std::uint32_t keep_every);

}  // namespace still
