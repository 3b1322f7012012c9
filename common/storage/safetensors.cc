#include "common/storage/safetensors.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/bytes.h"
#include "common/storage/staging.h"

namespace still {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kLargestHeaderBytes = 100'000'000;  // the limit of the reference implementation
constexpr std::string_view kMetadata = "__metadata__";

// Returns the bytes per element, or 0 for a dtype that the format does not have.
std::uint64_t BytesOf(std::string_view dtype) {
  constexpr std::pair<std::string_view, std::uint64_t> kSizes[] = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1}, {"U16", 2}, {"I16", 2}, {"F16", 2},
      {"BF16", 2}, {"U32", 4}, {"I32", 4}, {"F32", 4},     {"U64", 8},     {"I64", 8}, {"F64", 8}};
  for (const auto& [name, size] : kSizes) {
    if (name == dtype) return size;
  }
  return 0;
}

// Returns the bytes of a tensor, or nothing when the product overflows or a dimension is negative.
std::optional<std::uint64_t> TensorBytes(std::string_view dtype, const std::vector<std::int64_t>& shape) {
  std::uint64_t bytes = BytesOf(dtype);
  for (const std::int64_t dimension : shape) {
    if (dimension < 0 || __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(dimension), &bytes)) return {};
  }
  return bytes;
}

// Reads one list of non-negative integers of the header.
bool ReadIntegers(const Json& tensor, const char* key, std::vector<std::int64_t>* integers) {
  const auto list = tensor.find(key);
  if (list == tensor.end() || !list->is_array()) return false;
  for (const Json& item : *list) {
    if (!item.is_number_unsigned()) return false;
    const auto value = item.get<std::uint64_t>();
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return false;
    integers->push_back(static_cast<std::int64_t>(value));
  }
  return true;
}

struct Range {
  std::int64_t begin;
  std::int64_t end;
  std::string tensor;
};

// Reads the description of one tensor into `entry`, except its bytes, and into `range`.
Status ReadTensor(const Json& description, std::uint64_t data_bytes, TensorEntry* entry, Range* range) {
  const auto problem = [](std::string text) { return Status(Code::kDataLoss, std::move(text)); };
  if (!description.is_object()) return problem("its description is not an object");
  const auto dtype = description.find("dtype");
  if (dtype == description.end() || !dtype->is_string()) return problem("it has no dtype");
  entry->dtype = dtype->get<std::string>();
  if (BytesOf(entry->dtype) == 0) return problem(fmt::format("unknown dtype '{}'", entry->dtype));
  if (!ReadIntegers(description, "shape", &entry->shape)) return problem("its shape is not a list of sizes");
  std::vector<std::int64_t> offsets;
  if (!ReadIntegers(description, "data_offsets", &offsets) || offsets.size() != 2) {
    return problem("its data_offsets are not two offsets");
  }
  range->begin = offsets[0];
  range->end = offsets[1];
  if (range->begin > range->end || static_cast<std::uint64_t>(range->end) > data_bytes) {
    return problem(fmt::format("bytes {} to {} lie outside the {} bytes of data in the file", range->begin, range->end,
                               data_bytes));
  }
  const auto bytes = TensorBytes(entry->dtype, entry->shape);
  if (!bytes || *bytes != static_cast<std::uint64_t>(range->end - range->begin)) {
    return problem(fmt::format("shape [{}] of {} does not fill its {} bytes", fmt::join(entry->shape, ", "),
                               entry->dtype, range->end - range->begin));
  }
  return Ok();
}

// Checks that the tensors lie one after the other from the first byte of data to the last.
Status CheckLayout(std::vector<Range> ranges, std::uint64_t data_bytes) {
  std::sort(ranges.begin(), ranges.end(),
            [](const Range& a, const Range& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  std::int64_t next = 0;
  for (const Range& range : ranges) {
    if (range.begin != next) {
      return Error(Code::kDataLoss, "tensor '{}' starts at byte {} of the data, {} byte {}", range.tensor, range.begin,
                   range.begin < next ? "overlapping another that ends at" : "leaving a gap from", next);
    }
    next = range.end;
  }
  if (static_cast<std::uint64_t>(next) != data_bytes) {
    return Error(Code::kDataLoss, "{} bytes follow the last tensor", data_bytes - static_cast<std::uint64_t>(next));
  }
  return Ok();
}

// Reads the header and checks its length.
Result<Json> ReadHeader(std::span<const std::byte> file) {
  if (file.size() < kLengthBytes) return Error(Code::kDataLoss, "{} bytes are too few for a header", file.size());
  const auto length = LoadLittleEndian<std::uint64_t>(file.data());
  if (length > kLargestHeaderBytes || length > file.size() - kLengthBytes) {
    return Error(Code::kDataLoss, "its header claims {} bytes, the file has {}", length, file.size());
  }
  const std::string_view text = AsText(file.subspan(kLengthBytes, length));
  Json header = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!header.is_object()) return Error(Code::kDataLoss, "its header is not a JSON object");
  return header;
}

constexpr std::string_view kRemedy = "the file is damaged or cut short: fetch it again";

}  // namespace

Result<SafetensorsFile> SafetensorsFile::Open(const std::string& path) {
  SafetensorsFile file;
  STILL_ASSIGN_OR_RETURN(file.file_, MappedFile::Open(path));
  const std::span<const std::byte> bytes = file.file_.bytes();
  const Result<Json> header = ReadHeader(bytes);
  if (!header.ok()) return Error(Code::kDataLoss, "{}: {}: {}", path, header.status().message(), kRemedy);
  const std::span<const std::byte> data = bytes.subspan(kLengthBytes + LoadLittleEndian<std::uint64_t>(bytes.data()));

  std::vector<Range> ranges;
  for (const auto& [name, description] : header->items()) {
    if (name == kMetadata) {
      for (const auto& [key, value] : description.items()) {
        if (value.is_string()) file.metadata_[key] = value.get<std::string>();
      }
      continue;
    }
    TensorEntry entry;
    Range range{0, 0, name};
    const Status status = ReadTensor(description, data.size(), &entry, &range);
    if (!status.ok()) {
      return Error(Code::kDataLoss, "{}: tensor '{}': {}: {}", path, name, status.message(), kRemedy);
    }
    entry.bytes =
        data.subspan(static_cast<std::size_t>(range.begin), static_cast<std::size_t>(range.end - range.begin));
    ranges.push_back(range);
    file.tensors_.emplace(name, std::move(entry));
  }
  const Status layout = CheckLayout(std::move(ranges), data.size());
  if (!layout.ok()) return Error(Code::kDataLoss, "{}: {}: {}", path, layout.message(), kRemedy);
  return file;
}

Result<TensorEntry> SafetensorsFile::Find(std::string_view name) const {
  const auto found = tensors_.find(std::string(name));
  if (found == tensors_.end()) return Error(Code::kNotFound, "{}: there is no tensor '{}' in it", path(), name);
  return found->second;
}

Status WriteSafetensors(const std::string& path, const std::vector<TensorToWrite>& tensors,
                        const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[std::string(kMetadata)] = metadata;
  std::uint64_t at = 0;
  for (const TensorToWrite& tensor : tensors) {
    STILL_CHECK(BytesOf(tensor.dtype) != 0 && TensorBytes(tensor.dtype, tensor.shape) == tensor.bytes.size(),
                fmt::format("tensor '{}': its bytes are not shape x dtype", tensor.name));
    STILL_CHECK(tensor.name != kMetadata && !header.contains(tensor.name), "each tensor has a name of its own");
    const std::uint64_t end = at + tensor.bytes.size();
    header[tensor.name] = {{"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {at, end}}};
    at = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string length;
  AppendLittleEndian(length, static_cast<std::uint64_t>(text.size()));

  STILL_ASSIGN_OR_RETURN(const auto file, AtomicFile::Create(path));
  STILL_RETURN_IF_ERROR(file->Append(length));
  STILL_RETURN_IF_ERROR(file->Append(text));
  for (const TensorToWrite& tensor : tensors) STILL_RETURN_IF_ERROR(file->Append(tensor.bytes));
  return file->Commit();
}

}  // namespace still
