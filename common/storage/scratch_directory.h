// Directories for files that running processes share and that are worthless after them: those of an mpirun and its
// ranks.
#pragma once

#include <string>
#include <string_view>

#include "common/status.h"
#include "common/storage/file_descriptor.h"

namespace still {

// The environment variable that tells the processes of one launch the path of their directory.
inline constexpr const char* kScratchVariable = "STILL_SCRATCH";

// A scratch directory that this process holds, by a shared lock on it. The kernel lets the lock go when the holder
// dies, in whatever way. Destroying the maker's object deletes the directory. A maker that was killed leaves it behind,
// and RemoveAbandoned of a later launch deletes it. Owned by one thread. Forked children hold the directory as well.
class ScratchDirectory {
 public:
  // Makes "<parent>/<prefix>XXXXXX" under a unique name, for this user alone.
  static Result<ScratchDirectory> Create(const std::string& parent, std::string_view prefix);
  // Holds a directory that another process made, for as long as this process uses it.
  static Result<ScratchDirectory> Hold(const std::string& path);
  ~ScratchDirectory();
  ScratchDirectory(ScratchDirectory&& other) noexcept = default;
  ScratchDirectory& operator=(ScratchDirectory&&) = delete;

  const std::string& path() const { return path_; }
  // Deletes this user's directories of the same parent and prefix that no process on this host holds. A directory that
  // changed in the last ten minutes stays, because its maker may be about to hold it.
  Status RemoveAbandoned() const;

 private:
  ScratchDirectory(std::string path, FileDescriptor fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  std::string path_;
  FileDescriptor fd_;
  bool removes_ = false;  // on destruction: this is the maker
};

}  // namespace still
