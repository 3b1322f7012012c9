#include "worker/checkpoint/training_state.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "common/crc32c.h"
#include "common/digest.h"
#include "common/faults/fault_point.h"
#include "common/random.h"
#include "common/storage/file_digest.h"
#include "common/storage/files.h"
#include "common/storage/safetensors.h"

namespace still::worker {
namespace {

constexpr std::size_t kPartFloats = std::size_t{16} << 20;
constexpr std::string_view kPrefixes[] = {"", "first.", "second."};

std::span<const float> Within(std::span<const float> part, const PartRange& range, const ParameterInfo& parameter) {
  return part.subspan(static_cast<std::size_t>(parameter.offset) - range.begin,
                      static_cast<std::size_t>(parameter.size));
}

Status ReadTensors(const SafetensorsFile& file, std::string_view prefix, const PartRange& range,
                   const std::vector<ParameterInfo>& layout, std::vector<float>* buffer) {
  for (std::size_t i = range.first; i < range.last; ++i) {
    const ParameterInfo& parameter = layout[i];
    const std::string name = fmt::format("{}{}", prefix, parameter.name);
    const auto at = file.tensors().find(name);
    if (at == file.tensors().end() || at->second.dtype != "F32" || at->second.shape != parameter.shape)
      return Error(Code::kDataLoss, "{}: tensor {} is missing or not F32 [{}]", file.path(), name,
                   fmt::join(parameter.shape, ","));
    std::memcpy(buffer->data() + parameter.offset, at->second.bytes.data(), at->second.bytes.size());
  }
  return Ok();
}

}  // namespace

std::vector<PartRange> CutIntoParts(const std::vector<ParameterInfo>& layout) {
  std::vector<PartRange> parts;
  PartRange part;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (part.first == i) part.begin = static_cast<std::size_t>(layout[i].offset);
    part.last = i + 1;
    part.end = static_cast<std::size_t>(layout[i].offset + layout[i].size);
    if (3 * (part.end - part.begin) < kPartFloats && part.last < layout.size()) continue;
    parts.push_back(part);
    part.first = part.last;
  }
  return parts;
}

void CopyPart(const LiveState& state, const PartRange& range, PartCopy* copy) {
  copy->range = range;
  std::vector<float>* const buffers[] = {&copy->weights, &copy->first_moment, &copy->second_moment};
  for (const StateBuffer buffer : kStateBuffers) {
    std::vector<float>& to = *buffers[static_cast<std::size_t>(buffer)];
    to.resize(range.end - range.begin);
    state.Read(buffer, range.begin, to);
  }
}

std::string SampleDigest(const LiveState& state, std::uint64_t step) {
  constexpr std::size_t kPageFloats = 1024;
  constexpr std::size_t kStride = 64;
  std::array<float, kPageFloats> page_floats;
  std::uint32_t crc = 0;
  for (const StateBuffer buffer : kStateBuffers) {
    for (std::size_t page = MixKey({step}) % kStride; page * kPageFloats < state.floats(); page += kStride) {
      const std::size_t begin = page * kPageFloats;
      const auto values = std::span(page_floats).first(std::min(kPageFloats, state.floats() - begin));
      state.Read(buffer, begin, values);
      crc = Crc32c(std::as_bytes(values), crc);
    }
  }
  return fmt::format("{:08x}", crc);
}

Result<v1::CheckpointPart> WritePart(const std::string& directory, std::size_t index, const PartCopy& copy,
                                     const std::vector<ParameterInfo>& layout) {
  const FaultScope scope("checkpoint");
  const std::string path = JoinPath(directory, PartFile(index));
  const std::span<const float> buffers[] = {copy.weights, copy.first_moment, copy.second_moment};
  std::vector<TensorToWrite> tensors;
  for (std::size_t buffer = 0; buffer < 3; ++buffer) {
    for (std::size_t i = copy.range.first; i < copy.range.last; ++i) {
      tensors.push_back({.name = fmt::format("{}{}", kPrefixes[buffer], layout[i].name),
                         .dtype = "F32",
                         .shape = layout[i].shape,
                         .bytes = std::as_bytes(Within(buffers[buffer], copy.range, layout[i]))});
    }
  }
  STILL_RETURN_IF_ERROR(WriteSafetensors(path, tensors, {}));
  STILL_ASSIGN_OR_RETURN(const std::uint64_t size, FileSize(path));
  STILL_ASSIGN_OR_RETURN(const Sha256Digest sha256, Sha256OfFile(path));
  v1::CheckpointPart part;
  part.set_file(PartFile(index));
  part.set_size(size);
  part.set_sha256(Hex(sha256));
  return part;
}

Result<TrainingState> LoadCheckpoint(const std::string& path, const v1::CheckpointManifest& manifest,
                                     const std::string& identity, const std::vector<ParameterInfo>& layout) {
  if (manifest.info().identity() != identity)
    return Error(Code::kDataLoss, "{}: belongs to {}, not to {}", path, manifest.info().identity(), identity);
  const std::vector<PartRange> ranges = CutIntoParts(layout);
  const auto parts = static_cast<std::size_t>(manifest.parts_size());
  if (ranges.size() != parts)
    return Error(Code::kDataLoss, "{}: has {} parts, this model has {}", path, parts, ranges.size());
  STILL_RETURN_IF_ERROR(VerifyParts(path, manifest));
  TrainingState state;
  state.info = manifest.info();
  std::vector<float>* buffers[] = {&state.weights, &state.first_moment, &state.second_moment};
  for (std::vector<float>* buffer : buffers) buffer->resize(ranges.empty() ? 0 : ranges.back().end);
  for (std::size_t part = 0; part < parts; ++part) {
    STILL_ASSIGN_OR_RETURN(const SafetensorsFile file,
                           SafetensorsFile::Open(JoinPath(path, manifest.parts(static_cast<int>(part)).file())));
    for (std::size_t buffer = 0; buffer < 3; ++buffer)
      STILL_RETURN_IF_ERROR(ReadTensors(file, kPrefixes[buffer], ranges[part], layout, buffers[buffer]));
  }
  return state;
}

Status Quarantine(const std::string& path) {
  const std::string bad = path + ".bad";
  STILL_RETURN_IF_ERROR(RemoveAll(bad));
  if (std::rename(path.c_str(), bad.c_str()) == 0 || errno == ENOENT) return Ok();
  return ErrnoStatus(errno, "cannot rename the damaged checkpoint", path);
}

}  // namespace still::worker
