// Files and directories under construction. Each is written under a temporary name, synced, renamed to its final name,
// and the parent directory synced. So nothing partial ever stands under a final name.
//
// A temporary's name is "<path>.tmp-<host>-<pid>" (a file) or "<path>.partial-<host>-<pid>" (a directory). It is unique
// among the processes of all hosts that share a file system, and it tells whose it was when its owner died.
//
// Fault points: write (a buffer goes to disk; "torn": the renamed file loses its second half), fsync and rename.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/status.h"
#include "common/storage/file_descriptor.h"
#include "common/storage/files.h"

namespace still {

// A sequential, buffered writer of a new file, which appears under its final name only when Commit succeeds. Destroyed
// without that, it removes what it wrote. After a failed write every later call fails the same way, because what would
// follow is torn. Owned by one thread.
class AtomicFile {
 public:
  // Commit replaces a file that stands at `path`.
  static Result<std::unique_ptr<AtomicFile>> Create(const std::string& path, FileAccess access = FileAccess::kShared);
  // The temporary is named after `staged_as`, on the same file system as `path`, because the parent of `path` may be
  // renamed meanwhile. Commit is ALREADY_EXISTS when a file stands at `path`: several processes may make one file.
  static Result<std::unique_ptr<AtomicFile>> CreateNew(const std::string& path, const std::string& staged_as);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  Status Append(std::span<const std::byte> bytes);
  Status Append(std::string_view bytes);
  std::uint64_t size() const { return size_; }
  // Flushes, syncs and renames the file, then syncs its directory.
  Status Commit();

 private:
  AtomicFile(std::string path, std::string temporary, FileDescriptor fd);
  Status Flush();

  std::string path_;
  std::string temporary_;
  FileDescriptor fd_;
  bool replaces_ = true;
  std::uint64_t size_ = 0;
  std::string buffer_;
  Status failure_;  // of the first write that failed
};

// A directory under construction. Write into path(), then Commit. Destroyed without a successful Commit, it removes the
// directory. Owned by one thread.
class StagedDirectory {
 public:
  static Result<std::unique_ptr<StagedDirectory>> Create(const std::string& final_path);
  // The temporary is named after `staged_as`, on the same file system, because the parent of `final_path` may be
  // renamed meanwhile.
  static Result<std::unique_ptr<StagedDirectory>> Create(const std::string& final_path, const std::string& staged_as);
  ~StagedDirectory();
  StagedDirectory(const StagedDirectory&) = delete;
  StagedDirectory& operator=(const StagedDirectory&) = delete;

  const std::string& path() const { return path_; }
  // Syncs every file, then renames the directory. ALREADY_EXISTS when the final name is taken: the other one stays.
  Status Commit();

 private:
  StagedDirectory(std::string final_path, std::string path);

  std::string final_path_;
  std::string path_;
  bool committed_ = false;
};

// Deletes the temporaries directly inside `directory` that processes of this host left when they died, and whose names
// begin with `prefix`. Those of other hosts stay, because this host cannot tell which of their processes live.
Status RemoveStaleTemporaries(const std::string& directory, std::string_view prefix = "");
// Deletes every temporary of `path`, of all processes and hosts. The caller must be the only one that works on it.
Status RemoveTemporariesOf(const std::string& path);
// Deletes every temporary directly inside `directory`, of all processes and hosts. As RemoveTemporariesOf.
Status RemoveTemporariesIn(const std::string& directory);

}  // namespace still
