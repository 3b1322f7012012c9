// The one door to the disk: reading, listing, syncing and removing. Files under construction are in staging.h, memory
// maps in mapped_file.h, locks in file_lock.h.
//
// Every error names the path, the system's reason and what to do. A full disk is RESOURCE_EXHAUSTED, a refused access
// PERMISSION_DENIED, a missing path NOT_FOUND. Reads, writes, syncs and removals mark progress (common/progress.h).
// Any thread may call these functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

namespace still {

// Returns the Status for a failed system call. `action` is a verb phrase, for example "cannot create".
Status ErrnoStatus(int error_number, std::string_view action, const std::string& path);

Result<std::string> ReadFile(const std::string& path);
bool Exists(const std::string& path);
Result<std::uint64_t> FileSize(const std::string& path);
// Creates the directory and its parents, and syncs each parent.
Status MakeDirectories(const std::string& path);
// Returns the names (not the paths) of the entries, sorted.
Result<std::vector<std::string>> ListDirectory(const std::string& path);
// Returns the regular files below `path`, sorted, as paths that start with `path`. A regular file is its own only
// entry.
Result<std::vector<std::string>> ListFilesRecursively(const std::string& path);
// Deletes a file or a directory with all that is in it. Ok when there is none.
Status RemoveAll(const std::string& path);
// Renames on one file system and syncs the parent of `to`. Replaces a file, but a directory only when it is empty.
Status Rename(const std::string& from, const std::string& to);
Status SyncDirectory(const std::string& path);
Status SyncFile(const std::string& path);
// Returns false when STILL_FSYNC is off: nothing is synced then.
bool SyncWanted();

// The mode of a new file, before the process's umask is applied.
enum class FileAccess {
  kShared,   // 0666
  kPrivate,  // 0600, because the file holds a secret
};
// Replaces `path` by a file with these contents. After an error the old file stands, whole.
Status WriteFileAtomically(const std::string& path, std::string_view contents, FileAccess access = FileAccess::kShared);

std::string JoinPath(std::string_view directory, std::string_view name);
// Returns the directory that `path` lies in, "." for a bare name.
std::string ParentOf(const std::string& path);

}  // namespace still
