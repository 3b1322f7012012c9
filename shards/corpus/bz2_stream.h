// Streaming decompression of .bz2 files, one stream or many in a row (Wikipedia's multistream dumps). Memory is
// bounded by bzip2's own 4 MB whatever the file. The only owner of bzip2's library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "common/files.h"
#include "common/status.h"

namespace still::shards {

// One thread. After an error every further Read fails too.
class Bz2Stream {
 public:
  static Result<std::unique_ptr<Bz2Stream>> Open(const std::string& path);
  ~Bz2Stream();
  Bz2Stream(const Bz2Stream&) = delete;
  Bz2Stream& operator=(const Bz2Stream&) = delete;

  // Fills `buffer` as far as the data goes: fewer bytes than asked only at the end, then 0. DATA_LOSS where the
  // compressed bytes are cut, changed, or followed by anything that is not another stream. bzip2 checks each block of
  // up to 900 kB after handing it out, so bytes read before an error must not be trusted until Read has returned 0.
  Result<std::size_t> Read(std::span<char> buffer);

  // Bytes of the file consumed, and there in all.
  std::uint64_t compressed_offset() const { return offset_; }
  std::uint64_t compressed_size() const { return file_.bytes().size(); }
  const std::string& path() const { return file_.path(); }

 private:
  struct Decoder;
  explicit Bz2Stream(MappedFile file);
  Status BeginStream();
  Status Damaged(std::string_view what);

  MappedFile file_;
  std::uint64_t offset_ = 0;
  std::unique_ptr<Decoder> decoder_;
  Status failure_;
};

}  // namespace still::shards
