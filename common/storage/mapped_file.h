// Files that are read through the page cache, without a copy.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "common/status.h"

namespace still {

// A read-only memory map of a whole file, unmapped when it is destroyed. Movable. Any number of threads may read it. If
// another process cuts the file short, reading past its new end kills this process (SIGBUS).
class MappedFile {
 public:
  static Result<MappedFile> Open(const std::string& path);
  MappedFile() = default;
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::string path_;
};

}  // namespace still
