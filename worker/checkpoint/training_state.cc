#include "worker/checkpoint/training_state.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include "common/digest.h"
#include "common/fault_point.h"
#include "common/files.h"
#include "common/log.h"
#include "common/safetensors.h"

namespace still::worker {
namespace {

std::span<const float> PartOf(const std::vector<float>& buffer, const ParameterInfo& parameter) {
  return std::span(buffer).subspan(static_cast<std::size_t>(parameter.offset),
                                   static_cast<std::size_t>(parameter.size));
}

void AppendTensors(std::string_view prefix, const std::vector<float>& buffer, const std::vector<ParameterInfo>& layout,
                   std::vector<TensorToWrite>* tensors) {
  for (const ParameterInfo& parameter : layout) {
    tensors->push_back({.name = fmt::format("{}{}", prefix, parameter.name),
                        .dtype = "F32",
                        .shape = parameter.shape,
                        .bytes = std::as_bytes(PartOf(buffer, parameter))});
  }
}

Status ReadTensors(const SafetensorsFile& file, std::string_view prefix, const std::vector<ParameterInfo>& layout,
                   std::vector<float>* buffer) {
  std::int64_t extent = 0;
  for (const ParameterInfo& parameter : layout) extent = std::max(extent, parameter.offset + parameter.size);
  buffer->assign(static_cast<std::size_t>(extent), 0.0F);
  for (const ParameterInfo& parameter : layout) {
    const std::string name = fmt::format("{}{}", prefix, parameter.name);
    const auto at = file.tensors().find(name);
    if (at == file.tensors().end() || at->second.dtype != "F32" || at->second.shape != parameter.shape)
      return Error(Code::kDataLoss, "{}: tensor {} is missing or not F32 [{}]", file.path(), name,
                   fmt::join(parameter.shape, ","));
    std::memcpy(buffer->data() + parameter.offset, at->second.bytes.data(), at->second.bytes.size());
  }
  return Ok();
}

Status WriteTo(const std::string& directory, const TrainingState& state) {
  const std::string weights_path = JoinPath(directory, kWeightsFile);
  const std::string optimizer_path = JoinPath(directory, kOptimizerFile);
  std::vector<TensorToWrite> tensors;
  AppendTensors("", state.weights, state.layout, &tensors);
  STILL_RETURN_IF_ERROR(WriteSafetensors(weights_path, tensors, {}));
  tensors.clear();
  AppendTensors("first.", state.first_moment, state.layout, &tensors);
  AppendTensors("second.", state.second_moment, state.layout, &tensors);
  STILL_RETURN_IF_ERROR(WriteSafetensors(optimizer_path, tensors, {}));
  STILL_RETURN_IF_ERROR(FaultPoint("checkpoint.write"));

  STILL_ASSIGN_OR_RETURN(const Sha256Digest weights_sha256, Sha256OfFile(weights_path));
  STILL_ASSIGN_OR_RETURN(const Sha256Digest optimizer_sha256, Sha256OfFile(optimizer_path));
  const CheckpointInfo& info = state.info;
  const nlohmann::ordered_json json = {
      {"step", info.step},
      {"seed", info.seed},
      {"generation", info.generation},
      {"identity", info.identity},
      {"skipped_steps", info.skipped_steps},
      {"skipped_in_a_row", info.skipped_in_a_row},
      {"weights_digest", info.weights_digest},
      {"sha256", {{kWeightsFile, Hex(weights_sha256)}, {kOptimizerFile, Hex(optimizer_sha256)}}}};
  return WriteFileAtomically(JoinPath(directory, kCheckpointFile), json.dump(2) + "\n");
}

// Out of the way of the next one of this name, but still there to look at.
Status Quarantine(const std::string& path) {
  const std::string bad = path + ".bad";
  STILL_RETURN_IF_ERROR(RemoveAll(bad));
  std::error_code error;
  std::filesystem::rename(path, bad, error);
  return error ? ErrnoStatus(error.value(), "cannot rename the damaged checkpoint", path) : Ok();
}

}  // namespace

CheckpointWriter::CheckpointWriter(std::string directory, std::uint32_t keep)
    : directory_(std::move(directory)), keep_(std::max(keep, 1U)) {}

Status CheckpointWriter::Write(TrainingState state) {
  const std::string path = CheckpointPath(directory_, state.info.step, state.info.generation);
  if (Exists(path)) return Ok();
  STILL_ASSIGN_OR_RETURN(const std::unique_ptr<StagedDirectory> staged, StagedDirectory::Create(path));
  STILL_RETURN_IF_ERROR(WriteTo(staged->path(), state));
  STILL_RETURN_IF_ERROR(FaultPoint("checkpoint.commit"));
  const Status committed = staged->Commit();
  if (!committed.ok() && committed.code() != Code::kAlreadyExists) return committed;
  return RemoveOld();
}

Status CheckpointWriter::RemoveOld() const {
  STILL_ASSIGN_OR_RETURN(const std::vector<std::string> paths, ListCheckpoints(directory_));
  for (std::size_t i = keep_; i < paths.size(); ++i) STILL_RETURN_IF_ERROR(RemoveAll(paths[i]));
  return Ok();
}

Result<TrainingState> LoadCheckpoint(const std::string& path, const std::string& identity,
                                     const std::vector<ParameterInfo>& layout) {
  TrainingState state{.layout = layout};
  STILL_ASSIGN_OR_RETURN(state.info, VerifyCheckpoint(path));
  if (state.info.identity != identity)
    return Error(Code::kDataLoss, "{}: belongs to {}, not to {}", path, state.info.identity, identity);
  if (CheckpointPath("", state.info.step, state.info.generation) !=
      JoinPath("", std::filesystem::path(path).filename().string()))
    return Error(Code::kDataLoss, "{}: its checkpoint.json says step {}, generation {}", path, state.info.step,
                 state.info.generation);
  STILL_ASSIGN_OR_RETURN(const SafetensorsFile weights, SafetensorsFile::Open(JoinPath(path, kWeightsFile)));
  STILL_ASSIGN_OR_RETURN(const SafetensorsFile optimizer, SafetensorsFile::Open(JoinPath(path, kOptimizerFile)));
  STILL_RETURN_IF_ERROR(ReadTensors(weights, "", layout, &state.weights));
  STILL_RETURN_IF_ERROR(ReadTensors(optimizer, "first.", layout, &state.first_moment));
  STILL_RETURN_IF_ERROR(ReadTensors(optimizer, "second.", layout, &state.second_moment));
  return state;
}

Result<FoundCheckpoint> LoadNewestCheckpoint(const std::string& directory, const std::string& identity,
                                             const std::vector<ParameterInfo>& layout) {
  STILL_ASSIGN_OR_RETURN(const std::vector<std::string> paths, ListCheckpoints(directory));
  for (const std::string& path : paths) {
    Result<TrainingState> state = LoadCheckpoint(path, identity, layout);
    if (state.ok()) return FoundCheckpoint{path, std::move(state).value()};
    if (state.status().code() != Code::kDataLoss && state.status().code() != Code::kNotFound) return state.status();
    LogWarn("checkpoint set aside as {}.bad, falling back to an older one: {}", path, state.status().message());
    STILL_RETURN_IF_ERROR(Quarantine(path));
  }
  return FoundCheckpoint{};
}

}  // namespace still::worker
