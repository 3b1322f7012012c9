// The digest of a file's contents.
#pragma once

#include <string>

#include "common/digest.h"
#include "common/status.h"

namespace still {

// Returns the SHA-256 of a whole file, which is streamed and never held in memory. Marks progress as it digests.
Result<Sha256Digest> Sha256OfFile(const std::string& path);

}  // namespace still
