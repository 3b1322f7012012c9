#include "common/storage/scratch_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "common/clock.h"
#include "common/log.h"
#include "common/storage/files.h"

namespace still {
namespace {

constexpr std::string_view kRandomPart = "XXXXXX";  // as mkdtemp wants it
constexpr UnixMs kYoungMs = 10 * 60 * 1000;         // its maker may be about to hold it

FileDescriptor OpenDirectory(const std::string& path) {
  return FileDescriptor(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

bool IsOldAndOurs(const FileDescriptor& fd) {
  struct stat found;
  if (fstat(fd.get(), &found) != 0 || found.st_uid != geteuid()) return false;
  return Clock::System().WallMs() - found.st_mtim.tv_sec * UnixMs{1000} > kYoungMs;
}

}  // namespace

Result<ScratchDirectory> ScratchDirectory::Create(const std::string& parent, std::string_view prefix) {
  std::string path = JoinPath(parent, prefix).append(kRandomPart);
  if (mkdtemp(path.data()) == nullptr) return ErrnoStatus(errno, "cannot create a directory for this launch", path);
  STILL_ASSIGN_OR_RETURN(ScratchDirectory made, Hold(path));
  made.removes_ = true;
  return made;
}

Result<ScratchDirectory> ScratchDirectory::Hold(const std::string& path) {
  ScratchDirectory held(path, OpenDirectory(path));
  if (!held.fd_.valid() || flock(held.fd_.get(), LOCK_SH | LOCK_NB) != 0)
    return ErrnoStatus(errno, "cannot hold", path);
  return held;
}

ScratchDirectory::~ScratchDirectory() {
  if (!removes_ || !fd_.valid()) return;  // an object that was moved from holds nothing
  if (const Status removed = RemoveAll(path_); !removed.ok()) LogWarn("{}", removed.message());
}

Status ScratchDirectory::RemoveAbandoned() const {
  const std::size_t name_begin = path_.rfind('/') + 1;
  const std::string parent = path_.substr(0, name_begin);
  const std::string_view prefix =
      std::string_view(path_).substr(name_begin, path_.size() - name_begin - kRandomPart.size());
  STILL_ASSIGN_OR_RETURN(const auto names, ListDirectory(parent));
  for (const std::string& name : names) {
    if (name.size() != prefix.size() + kRandomPart.size() || !name.starts_with(prefix)) continue;
    const std::string path = JoinPath(parent, name);
    const FileDescriptor fd = OpenDirectory(path);
    if (!fd.valid()) continue;  // it is gone, or is no directory
    const bool abandoned = IsOldAndOurs(fd) && flock(fd.get(), LOCK_EX | LOCK_NB) == 0;
    if (abandoned) STILL_RETURN_IF_ERROR(RemoveAll(path));
  }
  return Ok();
}

}  // namespace still
