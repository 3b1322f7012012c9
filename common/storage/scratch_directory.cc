#include "common/storage/scratch_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "common/clock.h"
#include "common/log.h"
#include "common/storage/files.h"

namespace still {
namespace {

constexpr std::string_view kRandomPart = "XXXXXX";  // mkdtemp's
constexpr UnixMs kOnTheWayMs = 10 * 60 * 1000;

int OpenDirectory(const std::string& path) {
  return open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

bool IsOldAndOurs(int fd) {
  struct stat found;
  if (fstat(fd, &found) != 0 || found.st_uid != geteuid()) return false;
  return Clock::System().WallMs() - found.st_mtim.tv_sec * UnixMs{1000} > kOnTheWayMs;
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
  if (held.fd_ < 0 || flock(held.fd_, LOCK_SH | LOCK_NB) != 0) return ErrnoStatus(errno, "cannot hold", path);
  return held;
}

ScratchDirectory::ScratchDirectory(ScratchDirectory&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      removes_(std::exchange(other.removes_, false)) {}

ScratchDirectory::~ScratchDirectory() {
  if (removes_) {
    if (const Status removed = RemoveAll(path_); !removed.ok()) LogWarn("{}", removed.message());
  }
  if (fd_ >= 0) close(fd_);
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
    const int fd = OpenDirectory(path);
    if (fd < 0) continue;  // gone, or not a directory
    const bool abandoned = IsOldAndOurs(fd) && flock(fd, LOCK_EX | LOCK_NB) == 0;
    const Status removed = abandoned ? RemoveAll(path) : Ok();
    close(fd);
    STILL_RETURN_IF_ERROR(removed);
  }
  return Ok();
}

}  // namespace still
