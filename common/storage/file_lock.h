// Locks between processes, by flock on a file.
#pragma once

#include <string>

#include "common/status.h"
#include "common/storage/file_descriptor.h"

namespace still {

// An exclusive advisory lock on a file, held until it is destroyed. The kernel lets it go when the process dies. The
// file itself stays. Movable; owned by one thread.
class FileLock {
 public:
  // Creates the file if need be. UNAVAILABLE when another process holds the lock. Never blocks.
  static Result<FileLock> TryAcquire(const std::string& path);

  // Returns the descriptor that carries the lock. A child that inherits it holds the lock too, until both let go.
  int descriptor() const { return fd_.get(); }

 private:
  explicit FileLock(FileDescriptor fd) : fd_(std::move(fd)) {}

  FileDescriptor fd_;
};

}  // namespace still
