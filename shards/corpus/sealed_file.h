// What the files have in common that a corpus is built by way of: a header that begins with magic and version, and a
// footer of a SHA-256 and another magic. Little-endian, used in place.
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
  std::string_view noun;  // what such a file is, in messages
  std::array<char, 8> magic;
  std::array<char, 8> end_magic;
  std::uint32_t version;
};

struct SealedFooter {
  Sha256Digest sha256;
  std::array<char, 8> end_magic;
};
static_assert(sizeof(SealedFooter) == 40);

class SealedFile {
 public:
  // NOT_FOUND, or DATA_LOSS when it is no such file, or cut short. What the digest says is for the caller to check.
  static Result<SealedFile> Open(const std::string& path, const SealedFormat& format, std::size_t header_bytes);

  template <typename Header>
  Header header() const {
    return LoadLittleEndian<Header>(file_.bytes().data());
  }
  const Sha256Digest& sha256() const { return footer_.sha256; }
  // All but the footer.
  std::span<const std::byte> bytes() const { return file_.bytes().first(file_.bytes().size() - sizeof(SealedFooter)); }
  Status Damaged(std::string_view what) const;

 private:
  SealedFile(MappedFile file, const SealedFormat& format) : file_(std::move(file)), format_(&format) {}

  MappedFile file_;
  const SealedFormat* format_;
  SealedFooter footer_{};
};

}  // namespace still::shards
