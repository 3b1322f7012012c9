// The safetensors file format (huggingface/safetensors): u64 header length, JSON header, tensor bytes. Reading checks
// everything a lying header could get wrong: length, JSON, dtype, shape x dtype = bytes, ranges inside the file, no
// overlap, no hole. Errors are DATA_LOSS and name file and tensor.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "common/storage/files.h"
#include "common/storage/mapped_file.h"

namespace still {

struct TensorEntry {
  std::string dtype;  // "F32", "F16", "BF16", "F64", "I64", "I32", ... as in the file
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;  // points into the mapped file
};

// A mapped safetensors file. Movable; entries stay valid while it lives. Thread-safe to read.
class SafetensorsFile {
 public:
  static Result<SafetensorsFile> Open(const std::string& path);

  const std::map<std::string, TensorEntry>& tensors() const { return tensors_; }
  // NOT_FOUND names the tensor and the file.
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

// Writes atomically; tensors in the order given, header padded with spaces to 8 bytes.
Status WriteSafetensors(const std::string& path, const std::vector<TensorToWrite>& tensors,
                        const std::map<std::string, std::string>& metadata);

}  // namespace still
