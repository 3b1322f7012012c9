#include "common/storage/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "common/environment.h"
#include "common/progress.h"
#include "common/storage/file_descriptor.h"
#include "common/storage/staging.h"

namespace still {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

struct Reason {
  Code code;
  std::string_view remedy;
};

Reason ReasonOf(int error_number) {
  switch (error_number) {
    case ENOENT: return {Code::kNotFound, "check the path"};
    case ENOTDIR: return {Code::kNotFound, "a part of the path that should be a directory is a file"};
    case EISDIR: return {Code::kInvalidArgument, "a file is needed here, not a directory"};
    case EEXIST:
    case ENOTEMPTY: return {Code::kAlreadyExists, "remove it or choose another name"};
    case EACCES:
    case EPERM: return {Code::kPermissionDenied, "give this user access or choose another place"};
    case EROFS: return {Code::kPermissionDenied, "the file system is read-only: choose another place"};
    case ENOSPC:
      return {Code::kResourceExhausted,
              "free space on that file system and run again; nothing partial was left under the final name"};
    case EDQUOT:
      return {Code::kResourceExhausted,
              "free some of this user's quota and run again; nothing partial was left under the final name"};
    case EFBIG: return {Code::kResourceExhausted, "raise the file size limit (ulimit -f) and run again"};
    case EMFILE:
    case ENFILE: return {Code::kResourceExhausted, "raise the limit of open files (ulimit -n) and run again"};
    case ENOMEM: return {Code::kResourceExhausted, "free memory and run again"};
    case EIO: return {Code::kDataLoss, "the storage device reports an error: check it, then run again"};
    default: return {Code::kInternal, ""};
  }
}

Status SyncPath(const std::string& path, int flags) {
  if (!SyncWanted()) return Ok();
  const FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | flags));
  if (!fd.valid()) return ErrnoStatus(errno, "cannot open", path);
  // Some file systems cannot sync a directory and say EINVAL. There is nothing to be done about it.
  if (fsync(fd.get()) != 0 && !(errno == EINVAL && (flags & O_DIRECTORY) != 0)) {
    return ErrnoStatus(errno, "cannot sync", path);
  }
  MarkProgress();
  return Ok();
}

}  // namespace

std::string ParentOf(const std::string& path) {
  const std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

bool SyncWanted() {
  static const bool wanted = EnvironmentValue("STILL_FSYNC") != "off";
  return wanted;
}

Status ErrnoStatus(int error_number, std::string_view action, const std::string& path) {
  const Reason reason = ReasonOf(error_number);
  return Error(reason.code, "{} {}: {}{}{}", action, path, std::strerror(error_number),
               reason.remedy.empty() ? "" : ": ", reason.remedy);
}

Result<std::string> ReadFile(const std::string& path) {
  const FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (!fd.valid() || fstat(fd.get(), &info) != 0) return ErrnoStatus(errno, "cannot open", path);
  std::string contents;
  std::size_t used = 0;
  while (true) {  // to the end and not to the size, because special files have no size
    contents.resize(std::max(used + 4096, static_cast<std::size_t>(info.st_size) + 1));
    const ssize_t got = read(fd.get(), contents.data() + used, std::min(contents.size() - used, kBufferBytes));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "cannot read", path);
    MarkProgress();
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
  }
  contents.resize(used);
  return contents;
}

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

Result<std::uint64_t> FileSize(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return ErrnoStatus(errno, "cannot read the size of", path);
  return static_cast<std::uint64_t>(info.st_size);
}

Status MakeDirectories(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return Ok();
  const std::string parent = ParentOf(path);
  if (parent != path && parent != ".") STILL_RETURN_IF_ERROR(MakeDirectories(parent));
  if (mkdir(path.c_str(), 0777) != 0) {
    const int error_number = errno;
    if (error_number != EEXIST) return ErrnoStatus(error_number, "cannot create directory", path);
    if (!fs::is_directory(path, error))
      return Error(Code::kAlreadyExists, "cannot create directory {}: a file of this name is there; name a directory",
                   path);
  }
  return SyncDirectory(parent);
}

Result<std::vector<std::string>> ListDirectory(const std::string& path) {
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    names.push_back(at->path().filename().string());
  }
  if (error) return ErrnoStatus(error.value(), "cannot list directory", path);
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::vector<std::string>> ListFilesRecursively(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (error) return ErrnoStatus(error.value(), "cannot read", path);
  if (!fs::is_directory(status)) return std::vector<std::string>{path};
  std::vector<std::string> files;
  for (fs::recursive_directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    std::error_code not_there;  // a dangling link is skipped
    if (at->is_regular_file(not_there)) files.push_back(at->path().string());
  }
  if (error) return ErrnoStatus(error.value(), "cannot list directory", path);
  std::sort(files.begin(), files.end());
  return files;
}

Status RemoveAll(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(fs::symlink_status(path, error))) {  // entry by entry, to mark progress: there may be many
    for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
      std::error_code ignored;  // an entry that stays is tried again below
      fs::remove_all(at->path(), ignored);
      MarkProgress();
    }
  }
  fs::remove_all(path, error);
  return error ? ErrnoStatus(error.value(), "cannot remove", path) : Ok();
}

Status SyncDirectory(const std::string& path) { return SyncPath(path, O_DIRECTORY); }
Status SyncFile(const std::string& path) { return SyncPath(path, 0); }

std::string JoinPath(std::string_view directory, std::string_view name) {
  return (fs::path(directory) / name).string();
}

Status Rename(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) return ErrnoStatus(errno, "cannot rename to its final name", from);
  return SyncDirectory(ParentOf(to));
}

Status WriteFileAtomically(const std::string& path, std::string_view contents, FileAccess access) {
  STILL_ASSIGN_OR_RETURN(const auto file, AtomicFile::Create(path, access));
  STILL_RETURN_IF_ERROR(file->Append(contents));
  return file->Commit();
}

}  // namespace still
