#include "common/storage/file_digest.h"

#include <fcntl.h>

#include <cerrno>
#include <vector>

#include "common/storage/file_descriptor.h"
#include "common/storage/files.h"

namespace still {

Result<Sha256Digest> Sha256OfFile(const std::string& path) {
  const FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, "cannot open", path);
  Sha256 sha;
  std::vector<std::byte> buffer(std::size_t{1} << 20);
  ssize_t got = 0;
  while ((got = read(fd.get(), buffer.data(), buffer.size())) != 0) {
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "cannot read", path);
    sha.Update(std::span(buffer).first(static_cast<std::size_t>(got)));
  }
  return sha.Finish();
}

}  // namespace still
