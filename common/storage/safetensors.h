// The safetensors file format of Hugging Face: the header's length as u64, the header as JSON, the bytes of the
// tensors. Reading checks everything that a wrong header could claim: its length, the JSON, dtypes, shapes against
// sizes, ranges against the file, overlaps and gaps. Every error is DATA_LOSS and names file and tensor.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "common/storage/mapped_file.h"

namespace still {

struct TensorEntry {
  std::string dtype;  // "F32", "F16", "BF16", "F64", "I64", "I32", ... as in the file
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;  // points into the mapped file
};

// A mapped safetensors file. Movable; its entries are valid while it lives. Any number of threads may read it.
class SafetensorsFile {
 public:
  static Result<SafetensorsFile> Open(const std::string& path);

  const std::map<std::string, TensorEntry>& tensors() const { return tensors_; }
  // Returns the tensor of this name. NOT_FOUND names the tensor and the file.
  Result<TensorEntry> Find(std::string_view name) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::string& path() const { return file_.path(); }

 private:
  MappedFile file_;
  std::map<std::string, TensorEntry> tensors_;
  std::map<std::string, std::string> metadata_;
};

struct TensorToWrite {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};

// Writes the file atomically. Tensors stand in the order given, and the header is padded with blanks to 8 bytes.
Status WriteSafetensors(const std::string& path, const std::vector<TensorToWrite>& tensors,
                        const std::map<std::string, std::string>& metadata);

}  // namespace still
