#include "common/storage/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "common/storage/files.h"

namespace still {

Result<FileLock> FileLock::TryAcquire(const std::string& path) {
  FileDescriptor fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (!fd.valid()) return ErrnoStatus(errno, "cannot open lock", path);
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return FileLock(std::move(fd));
  if (errno != EWOULDBLOCK) return ErrnoStatus(errno, "cannot lock", path);
  return Error(Code::kUnavailable, "{} is locked by another process: wait for it to end, or stop it", path);
}

}  // namespace still
