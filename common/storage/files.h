// The one door to the disk. Nothing partial ever stands under a final name: files and directories are written under a
// temporary name, synced, renamed, and their parent directory synced. Every error names the path, the system's reason
// and what to do; a full disk is RESOURCE_EXHAUSTED, a refused access PERMISSION_DENIED, a missing path NOT_FOUND.
// STILL_FSYNC=off in the environment leaves the syncs out: for tests of what is written, not of its durability.
// Fault points: write (a buffer of a file goes to disk; "torn": the file, renamed, loses its second half), fsync and
// rename (of a file or a staged directory).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

namespace still {

// The Status for a failed system call: `action` is a verb phrase, e.g. "cannot create".
Status ErrnoStatus(int error_number, std::string_view action, const std::string& path);

Result<std::string> ReadFile(const std::string& path);
bool Exists(const std::string& path);
Result<std::uint64_t> FileSize(const std::string& path);
Status MakeDirectories(const std::string& path);
// Names (not paths) of the entries, sorted.
Result<std::vector<std::string>> ListDirectory(const std::string& path);
// Regular files below `path`, as paths that start with it, sorted. A regular file is its own and only entry.
Result<std::vector<std::string>> ListFilesRecursively(const std::string& path);
Status RemoveAll(const std::string& path);
// On one file system, durably. A file's place is taken, a directory's only when it is empty.
Status Rename(const std::string& from, const std::string& to);
Status SyncDirectory(const std::string& path);
Status SyncFile(const std::string& path);
// False under STILL_FSYNC=off.
bool SyncWanted();
// What a new file may be used for, less the process's umask.
enum class FileAccess {
  kShared,   // 0666
  kPrivate,  // 0600: it holds a secret
};
// Atomic replace of `path` by `contents`.
Status WriteFileAtomically(const std::string& path, std::string_view contents, FileAccess access = FileAccess::kShared);
std::string JoinPath(std::string_view directory, std::string_view name);

// A read-only memory map. Movable; unmapped on destruction.
class MappedFile {
 public:
  static Result<MappedFile> Open(const std::string& path);
  MappedFile() = default;
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::string path_;
};

// Sequential, buffered writer of a new file that appears under `path` only on Commit. Destroyed without Commit, it
// removes what it wrote.
class AtomicFile {
 public:
  static Result<std::unique_ptr<AtomicFile>> Create(const std::string& path, FileAccess access = FileAccess::kShared);
  // Stands as "<staged_as>.tmp-<host>-<pid>" meanwhile, on the same file system, and takes nobody's place: Commit is
  // ALREADY_EXISTS when there is a file by then. For a parent that may be renamed, and for many who make one file.
  static Result<std::unique_ptr<AtomicFile>> CreateNew(const std::string& path, const std::string& staged_as);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  Status Append(std::span<const std::byte> bytes);
  Status Append(std::string_view bytes);
  std::uint64_t size() const { return size_; }
  // Flush, fsync, rename, fsync of the directory.
  Status Commit();

 private:
  AtomicFile(std::string path, std::string temporary, int fd, bool replaces);
  Status Flush();

  std::string path_;
  std::string temporary_;
  int fd_;
  bool replaces_;
  std::uint64_t size_ = 0;
  std::string buffer_;
  Status failure_;  // of the first write that failed: what follows it would be torn
};

// A directory under construction: write into path(), then Commit renames it to its final name. Destroyed without
// Commit, it is removed. Until then its name ends in ".partial-<host>-<pid>"; see RemoveStaleTemporaries.
class StagedDirectory {
 public:
  static Result<std::unique_ptr<StagedDirectory>> Create(const std::string& final_path);
  // Stands as "<staged_as>.partial-<host>-<pid>" meanwhile, on the same file system: for a parent that may be renamed.
  static Result<std::unique_ptr<StagedDirectory>> Create(const std::string& final_path, const std::string& staged_as);
  ~StagedDirectory();
  StagedDirectory(const StagedDirectory&) = delete;
  StagedDirectory& operator=(const StagedDirectory&) = delete;

  const std::string& path() const { return path_; }
  // Syncs every file, then renames. ALREADY_EXISTS when the final name is taken (the other one wins; ours is removed).
  Status Commit();

 private:
  StagedDirectory(std::string final_path, std::string path);

  std::string final_path_;
  std::string path_;
  bool committed_ = false;
};

// Removes leftovers ("<prefix>*.partial-<host>-<pid>", "<prefix>*.tmp-<host>-<pid>") of processes of this host that no
// longer run, directly inside `directory`. Those of other hosts stay: their own processes remove them.
Status RemoveStaleTemporaries(const std::string& directory, std::string_view prefix = "");
// Removes what was begun as `path`, whichever process of whichever host did: for whoever is known to be alone at it.
Status RemoveTemporariesOf(const std::string& path);
// The same of all temporaries directly inside `directory`.
Status RemoveTemporariesIn(const std::string& directory);

// An exclusive advisory lock on a file, held until destruction; UNAVAILABLE when another process holds it.
class FileLock {
 public:
  static Result<FileLock> TryAcquire(const std::string& path);
  ~FileLock();
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;

  // For a child process to inherit: the lock is then held until both have let go.
  int descriptor() const { return fd_; }

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace still
