#include "common/storage/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

#include "common/progress.h"
#include "common/bytes.h"
#include "common/faults/fault_point.h"
#include "common/host_name.h"

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

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Status SyncPath(const std::string& path, int flags) {
  if (!SyncWanted()) return Ok();
  const FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | flags));
  if (fd.get() < 0) return ErrnoStatus(errno, "cannot open", path);
  // Some file systems cannot sync a directory and say EINVAL; there is nothing more to be had from them.
  if (fsync(fd.get()) != 0 && !(errno == EINVAL && (flags & O_DIRECTORY) != 0)) {
    return ErrnoStatus(errno, "cannot sync", path);
  }
  MarkProgress();
  return Ok();
}

// rename that spares what is there; 0, or -1 and errno.
int RenameToNew(const std::string& from, const std::string& to, bool directory) {
  const int failed = renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE);
  if (failed == 0 || (errno != EINVAL && errno != ENOSYS)) return failed;
  // A file system without it (NFS). rename spares all directories but empty ones.
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

// What a crash of the whole machine may leave of a file whose sync was a lie.
[[noreturn]] void TearAndDie(int fd, std::uint64_t size) {
  STILL_CHECK(ftruncate(fd, static_cast<off_t>(size / 2)) == 0, "cannot tear a file");
  std::raise(SIGKILL);
  std::abort();
}

std::string ParentOf(const std::string& path) {
  const std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

constexpr std::string_view kFileMark = ".tmp-";
constexpr std::string_view kDirectoryMark = ".partial-";

// Names are unique among the processes of all hosts that share a file system: "<path>.tmp-<host>-<pid>".
std::string TemporaryName(const std::string& path, std::string_view mark) {
  return fmt::format("{}{}{}-{}", path, mark, HostName(), getpid());
}

struct Owner {
  std::string host;
  pid_t pid = 0;
};

// Whose temporary this is; nothing when the name is not a temporary's.
std::optional<Owner> OwnerOf(std::string_view name) {
  for (const std::string_view mark : {kFileMark, kDirectoryMark}) {
    const std::size_t at = name.rfind(mark);
    if (at == name.npos) continue;
    const std::string_view owner = name.substr(at + mark.size());
    const std::size_t dash = owner.rfind('-');  // a host's name may have some, too
    if (dash == owner.npos || dash == 0) continue;
    const std::string_view digits = owner.substr(dash + 1);
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), pid);
    if (error == std::errc() && end == digits.data() + digits.size() && pid > 0)
      return Owner{std::string(owner.substr(0, dash)), pid};
  }
  return std::nullopt;
}

// Of whichever process of whichever host.
Status RemoveTemporaries(const std::string& directory, std::string_view prefix) {
  STILL_ASSIGN_OR_RETURN(const auto names, ListDirectory(directory));
  for (const std::string& name : names) {
    if (name.starts_with(prefix) && OwnerOf(name)) STILL_RETURN_IF_ERROR(RemoveAll(JoinPath(directory, name)));
  }
  return Ok();
}

}  // namespace

bool SyncWanted() {
  static const bool wanted = [] {
    const char* setting = std::getenv("STILL_FSYNC");
    return setting == nullptr || std::string_view(setting) != "off";
  }();
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
  if (fd.get() < 0 || fstat(fd.get(), &info) != 0) return ErrnoStatus(errno, "cannot open", path);
  std::string contents;
  std::size_t used = 0;
  while (true) {  // until the end, not to the size: special files have none
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
  if (mkdir(path.c_str(), 0777) != 0 && !(errno == EEXIST && fs::is_directory(path, error))) {
    return ErrnoStatus(errno, "cannot create directory", path);
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
    std::error_code not_there;  // a dangling link is no file
    if (at->is_regular_file(not_there)) files.push_back(at->path().string());
  }
  if (error) return ErrnoStatus(error.value(), "cannot list directory", path);
  std::sort(files.begin(), files.end());
  return files;
}

Status RemoveAll(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(fs::symlink_status(path, error))) {  // of many files, perhaps
    for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
      std::error_code again;  // is tried below, and said there
      fs::remove_all(at->path(), again);
      MarkProgress();
    }
  }
  fs::remove_all(path, error);
  return error ? ErrnoStatus(error.value(), "cannot remove", path) : Ok();
}

Status SyncDirectory(const std::string& path) { return SyncPath(path, O_DIRECTORY); }
Status SyncFile(const std::string& path) { return SyncPath(path, 0); }

Status WriteFileAtomically(const std::string& path, std::string_view contents, FileAccess access) {
  STILL_ASSIGN_OR_RETURN(const auto file, AtomicFile::Create(path, access));
  STILL_RETURN_IF_ERROR(file->Append(contents));
  return file->Commit();
}

std::string JoinPath(std::string_view directory, std::string_view name) {
  return (fs::path(directory) / name).string();
}

Result<MappedFile> MappedFile::Open(const std::string& path) {
  const FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (fd.get() < 0 || fstat(fd.get(), &info) != 0) return ErrnoStatus(errno, "cannot open", path);
  if (S_ISDIR(info.st_mode)) return ErrnoStatus(EISDIR, "cannot map", path);
  MappedFile file;
  file.path_ = path;
  MarkProgress();
  if (info.st_size == 0) return file;
  void* data = mmap(nullptr, static_cast<std::size_t>(info.st_size), PROT_READ, MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED) return ErrnoStatus(errno, "cannot map", path);
  file.data_ = static_cast<const std::byte*>(data);
  file.size_ = static_cast<std::size_t>(info.st_size);
  return file;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)), path_(std::move(other.path_)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(path_, other.path_);
  return *this;
}

Result<std::unique_ptr<AtomicFile>> AtomicFile::Create(const std::string& path, FileAccess access) {
  std::string temporary = TemporaryName(path, kFileMark);
  // Truncates instead of failing on an old one: in a container a process number soon comes back.
  // A private one never fills an old file: that may be open to somebody, and its mode would stay.
  if (access == FileAccess::kPrivate) unlink(temporary.c_str());
  const int flags = access == FileAccess::kPrivate ? O_EXCL : O_TRUNC;
  const int fd =
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, access == FileAccess::kPrivate ? 0600 : 0666);
  if (fd < 0) return ErrnoStatus(errno, "cannot create", path);
  return std::unique_ptr<AtomicFile>(new AtomicFile(path, std::move(temporary), fd, /*replaces=*/true));
}

Result<std::unique_ptr<AtomicFile>> AtomicFile::CreateNew(const std::string& path, const std::string& staged_as) {
  STILL_ASSIGN_OR_RETURN(auto file, Create(staged_as));
  file->path_ = path;
  file->replaces_ = false;
  return file;
}

AtomicFile::AtomicFile(std::string path, std::string temporary, int fd, bool replaces)
    : path_(std::move(path)), temporary_(std::move(temporary)), fd_(fd), replaces_(replaces) {}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  close(fd_);
  unlink(temporary_.c_str());
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
  return failure_ = WriteAll(fd_, bytes, path_);
}

Status AtomicFile::Flush() {
  if (failure_.ok()) failure_ = FaultPoint("write").WithContext(path_);
  if (failure_.ok()) failure_ = WriteAll(fd_, buffer_, path_);
  buffer_.clear();
  return failure_;
}

Status AtomicFile::Commit() {
  STILL_RETURN_IF_ERROR(Flush());
  STILL_RETURN_IF_ERROR(FaultPoint("fsync").WithContext(path_));
  if (SyncWanted() && fsync(fd_) != 0) return failure_ = ErrnoStatus(errno, "cannot sync", path_);
  MarkProgress();
  STILL_RETURN_IF_ERROR(FaultPoint("rename").WithContext(path_));
  const int failed = replaces_ ? rename(temporary_.c_str(), path_.c_str()) : RenameToNew(temporary_, path_, false);
  if (failed != 0) return failure_ = ErrnoStatus(errno, "cannot create", path_);
  if (FaultTears("write")) TearAndDie(fd_, size_);
  close(std::exchange(fd_, -1));
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
    STILL_RETURN_IF_ERROR(SyncPath(at->path().string(), at->is_directory(error) ? O_DIRECTORY : 0));
  }
  if (error) return ErrnoStatus(error.value(), "cannot sync", path_);
  STILL_RETURN_IF_ERROR(SyncDirectory(path_));
  STILL_RETURN_IF_ERROR(FaultPoint("rename").WithContext(final_path_));
  if (RenameToNew(path_, final_path_, /*directory=*/true) != 0)
    return ErrnoStatus(errno, "cannot create directory", final_path_);
  committed_ = true;
  return SyncDirectory(ParentOf(final_path_));
}

Status Rename(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) return ErrnoStatus(errno, "cannot rename to its final name", from);
  return SyncDirectory(ParentOf(to));
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
    if (!owner || owner->host != HostName()) continue;  // whether that process of another host lives, nobody here knows
    if (kill(owner->pid, 0) == 0 || errno == EPERM) continue;
    STILL_RETURN_IF_ERROR(UnlessMissing(RemoveAll(JoinPath(directory, name))));  // another process may be at it, too
  }
  return Ok();
}

}  // namespace still
