#include "common/storage/staging.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <utility>

#include "common/bytes.h"
#include "common/faults/fault_point.h"
#include "common/host_name.h"
#include "common/parse_number.h"
#include "common/progress.h"

namespace still {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

// Renames, but never replaces what stands at `to`. Returns 0, or -1 and sets errno.
int RenameToNew(const std::string& from, const std::string& to, bool directory) {
  const int failed = renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE);
  if (failed == 0 || (errno != EINVAL && errno != ENOSYS)) return failed;
  // The file system (NFS) has no such flag. A plain rename replaces no directory but an empty one.
  if (directory) return rename(from.c_str(), to.c_str());
  return link(from.c_str(), to.c_str()) == 0 ? unlink(from.c_str()) : -1;
}

Status WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), std::min(bytes.size(), kBufferBytes));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, "cannot write", path);
    MarkProgress();
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return Ok();
}

// Leaves what a crash of the whole machine may leave of a file that was not really synced: its first half.
[[noreturn]] void TearAndDie(int fd, std::uint64_t size) {
  STILL_CHECK(ftruncate(fd, static_cast<off_t>(size / 2)) == 0, "cannot tear a file");
  std::raise(SIGKILL);
  std::abort();
}

constexpr std::string_view kFileMark = ".tmp-";
constexpr std::string_view kDirectoryMark = ".partial-";

std::string TemporaryName(const std::string& path, std::string_view mark) {
  return fmt::format("{}{}{}-{}", path, mark, HostName(), getpid());
}

struct Owner {
  std::string host;
  pid_t pid = 0;
};

// Returns the process that made a temporary; nothing when the name is not a temporary's.
std::optional<Owner> OwnerOf(std::string_view name) {
  for (const std::string_view mark : {kFileMark, kDirectoryMark}) {
    const std::size_t at = name.rfind(mark);
    if (at == name.npos) continue;
    const std::string_view owner = name.substr(at + mark.size());
    const std::size_t dash = owner.rfind('-');  // a host's name may contain dashes, too
    if (dash == owner.npos || dash == 0) continue;
    pid_t pid = 0;
    if (ParseNumber(owner.substr(dash + 1), &pid) && pid > 0) return Owner{std::string(owner.substr(0, dash)), pid};
  }
  return std::nullopt;
}

// Deletes the temporaries of all processes and hosts.
Status RemoveTemporaries(const std::string& directory, std::string_view prefix) {
  STILL_ASSIGN_OR_RETURN(const auto names, ListDirectory(directory));
  for (const std::string& name : names) {
    if (name.starts_with(prefix) && OwnerOf(name)) STILL_RETURN_IF_ERROR(RemoveAll(JoinPath(directory, name)));
  }
  return Ok();
}

}  // namespace

Result<std::unique_ptr<AtomicFile>> AtomicFile::Create(const std::string& path, FileAccess access) {
  std::string temporary = TemporaryName(path, kFileMark);
  // A dead process may have left this very name, because in a container process numbers soon come back. So the file is
  // truncated. A private file is made anew: an old one may be open in another process, and its mode would stay.
  if (access == FileAccess::kPrivate) unlink(temporary.c_str());
  const int flags = access == FileAccess::kPrivate ? O_EXCL : O_TRUNC;
  FileDescriptor fd(
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, access == FileAccess::kPrivate ? 0600 : 0666));
  if (!fd.valid()) return ErrnoStatus(errno, "cannot create", path);
  return std::unique_ptr<AtomicFile>(new AtomicFile(path, std::move(temporary), std::move(fd)));
}

Result<std::unique_ptr<AtomicFile>> AtomicFile::CreateNew(const std::string& path, const std::string& staged_as) {
  STILL_ASSIGN_OR_RETURN(auto file, Create(staged_as));
  file->path_ = path;
  file->replaces_ = false;
  return file;
}

AtomicFile::AtomicFile(std::string path, std::string temporary, FileDescriptor fd)
    : path_(std::move(path)), temporary_(std::move(temporary)), fd_(std::move(fd)) {}

AtomicFile::~AtomicFile() {
  if (fd_.valid()) unlink(temporary_.c_str());
}

Status AtomicFile::Append(std::span<const std::byte> bytes) { return Append(AsText(bytes)); }

Status AtomicFile::Append(std::string_view bytes) {
  if (!failure_.ok()) return failure_;
  size_ += bytes.size();
  if (buffer_.size() + bytes.size() >= kBufferBytes) STILL_RETURN_IF_ERROR(Flush());
  if (bytes.size() < kBufferBytes) {
    buffer_ += bytes;
    return Ok();
  }
  return failure_ = WriteAll(fd_.get(), bytes, path_);
}

Status AtomicFile::Flush() {
  if (failure_.ok()) failure_ = FaultPoint("write").WithContext(path_);
  if (failure_.ok()) failure_ = WriteAll(fd_.get(), buffer_, path_);
  buffer_.clear();
  return failure_;
}

Status AtomicFile::Commit() {
  STILL_RETURN_IF_ERROR(Flush());
  STILL_RETURN_IF_ERROR(FaultPoint("fsync").WithContext(path_));
  if (SyncWanted() && fsync(fd_.get()) != 0) return failure_ = ErrnoStatus(errno, "cannot sync", path_);
  MarkProgress();
  STILL_RETURN_IF_ERROR(FaultPoint("rename").WithContext(path_));
  const int failed = replaces_ ? rename(temporary_.c_str(), path_.c_str()) : RenameToNew(temporary_, path_, false);
  if (failed != 0) return failure_ = ErrnoStatus(errno, "cannot create", path_);
  if (FaultTears("write")) TearAndDie(fd_.get(), size_);
  fd_.Close();
  return SyncDirectory(ParentOf(path_));
}

Result<std::unique_ptr<StagedDirectory>> StagedDirectory::Create(const std::string& final_path) {
  return Create(final_path, final_path);
}

Result<std::unique_ptr<StagedDirectory>> StagedDirectory::Create(const std::string& final_path,
                                                                 const std::string& staged_as) {
  STILL_RETURN_IF_ERROR(MakeDirectories(ParentOf(staged_as)));
  std::string path = TemporaryName(staged_as, kDirectoryMark);
  STILL_RETURN_IF_ERROR(RemoveAll(path));
  if (mkdir(path.c_str(), 0777) != 0) return ErrnoStatus(errno, "cannot create directory", final_path);
  return std::unique_ptr<StagedDirectory>(new StagedDirectory(final_path, std::move(path)));
}

StagedDirectory::StagedDirectory(std::string final_path, std::string path)
    : final_path_(std::move(final_path)), path_(std::move(path)) {}

StagedDirectory::~StagedDirectory() {
  if (!committed_) static_cast<void>(RemoveAll(path_));
}

Status StagedDirectory::Commit() {
  STILL_CHECK(!committed_, "a staged directory is committed once");
  STILL_RETURN_IF_ERROR(FaultPoint("fsync").WithContext(final_path_));
  std::error_code error;
  for (fs::recursive_directory_iterator at(path_, error), end; !error && at != end; at.increment(error)) {
    const std::string path = at->path().string();
    STILL_RETURN_IF_ERROR(at->is_directory(error) ? SyncDirectory(path) : SyncFile(path));
  }
  if (error) return ErrnoStatus(error.value(), "cannot sync", path_);
  STILL_RETURN_IF_ERROR(SyncDirectory(path_));
  STILL_RETURN_IF_ERROR(FaultPoint("rename").WithContext(final_path_));
  if (RenameToNew(path_, final_path_, /*directory=*/true) != 0)
    return ErrnoStatus(errno, "cannot create directory", final_path_);
  committed_ = true;
  return SyncDirectory(ParentOf(final_path_));
}

Status RemoveTemporariesOf(const std::string& path) {
  return RemoveTemporaries(ParentOf(path), fs::path(path).filename().string() + ".");
}

Status RemoveTemporariesIn(const std::string& directory) { return RemoveTemporaries(directory, ""); }

Status RemoveStaleTemporaries(const std::string& directory, std::string_view prefix) {
  STILL_ASSIGN_OR_RETURN(const auto names, ListDirectory(directory));
  for (const std::string& name : names) {
    if (!name.starts_with(prefix)) continue;
    const std::optional<Owner> owner = OwnerOf(name);
    if (!owner || owner->host != HostName()) continue;  // this host cannot tell whether another's process lives
    if (kill(owner->pid, 0) == 0 || errno == EPERM) continue;
    STILL_RETURN_IF_ERROR(UnlessMissing(RemoveAll(JoinPath(directory, name))));  // another process may delete it, too
  }
  return Ok();
}

}  // namespace still
