// The frame of the intermediate files of a corpus build, which are input splits and the shard plan. The header begins
// with a magic and a version. The footer has a SHA-256 and another magic. Files are little-endian and used in place.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "common/bytes.h"
#include "common/digest.h"
#include "common/status.h"
#include "common/storage/files.h"
#include "common/storage/mapped_file.h"

namespace still::shards {

struct SealedFormat {
  std::string_view noun;  // what messages call such a file
  std::array<char, 8> magic;
  std::array<char, 8> end_magic;
  std::uint32_t version;
};

struct SealedFooter {
  Sha256Digest sha256;
  std::array<char, 8> end_magic;
};
static_assert(sizeof(SealedFooter) == 40);

// A file of that frame, mapped. Immutable and thread-safe.
class SealedFile {
 public:
  // Opens the file and checks magics and version. The caller checks the digest. NOT_FOUND when it is missing, DATA_LOSS
  // when it is another kind of file or cut short.
  static Result<SealedFile> Open(const std::string& path, const SealedFormat& format, std::size_t header_bytes);

  template <typename Header>
  Header header() const {
    return LoadLittleEndian<Header>(file_.bytes().data());
  }
  const Sha256Digest& sha256() const { return footer_.sha256; }
  // Returns all bytes before the footer.
  std::span<const std::byte> bytes() const { return file_.bytes().first(file_.bytes().size() - sizeof(SealedFooter)); }
  // Returns DATA_LOSS that names the file.
  Status Damaged(std::string_view what) const;

 private:
  SealedFile(MappedFile file, const SealedFormat& format) : file_(std::move(file)), format_(&format) {}

  MappedFile file_;
  const SealedFormat* format_;
  SealedFooter footer_{};
};

}  // namespace still::shards
