#include "worker/model/model_files.h"

#include <fmt/ranges.h>

#include <cstring>

#include "common/progress.h"
#include "common/storage/files.h"
#include "common/storage/safetensors.h"

namespace still::worker {
namespace {

constexpr char kWeightsFile[] = "model.safetensors";
constexpr char kShapeFile[] = "shape.json";
constexpr char kDigestFile[] = "weights.sha256";

std::span<float> FlatWeights(const ParameterSet& parameters) {
  STILL_CHECK(parameters.weights().scalar_type() == at::kFloat, "model files hold fp32 weights");
  return {static_cast<float*>(parameters.weights().mutable_data_ptr()),
          static_cast<std::size_t>(parameters.weights().numel())};
}

std::span<const std::byte> BytesOf(const ParameterSet& parameters, const ParameterInfo& info) {
  return std::as_bytes(
      FlatWeights(parameters).subspan(static_cast<std::size_t>(info.offset), static_cast<std::size_t>(info.size)));
}

Status CopyFromFile(const SafetensorsFile& file, const ParameterSet& parameters) {
  for (const ParameterInfo& info : parameters.layout()) {
    STILL_ASSIGN_OR_RETURN(const TensorEntry entry, file.Find(info.name));
    if (entry.dtype != "F32" || entry.shape != info.shape) {
      return Error(Code::kDataLoss, "{}: tensor \"{}\" is {} [{}], but {} asks for F32 [{}]", file.path(), info.name,
                   entry.dtype, fmt::join(entry.shape, ", "), kShapeFile, fmt::join(info.shape, ", "));
    }
    std::memcpy(FlatWeights(parameters).data() + info.offset, entry.bytes.data(), entry.bytes.size());
    MarkProgress();
  }
  if (file.tensors().size() != parameters.layout().size()) {
    return Error(Code::kDataLoss, "{}: holds {} tensors, but {} asks for {}", file.path(), file.tensors().size(),
                 kShapeFile, parameters.layout().size());
  }
  return Ok();
}

}  // namespace

Status SaveModel(const ParameterSet& parameters, const std::string& directory) {
  STILL_RETURN_IF_ERROR(MakeDirectories(directory));
  std::vector<TensorToWrite> tensors;
  for (const ParameterInfo& info : parameters.layout()) {
    tensors.push_back({info.name, "F32", info.shape, BytesOf(parameters, info)});
  }
  STILL_RETURN_IF_ERROR(WriteSafetensors(JoinPath(directory, kWeightsFile), tensors, {{"format", "stillhouse"}}));
  STILL_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(directory, kShapeFile), ShapeToJson(parameters.shape())));
  return WriteFileAtomically(JoinPath(directory, kDigestFile), parameters.WeightsDigest() + "\n");
}

Result<ParameterSet> LoadModel(const std::string& directory, bool trainable) {
  const std::string shape_path = JoinPath(directory, kShapeFile);
  STILL_ASSIGN_OR_RETURN(const std::string json, ReadFile(shape_path));
  STILL_ASSIGN_OR_RETURN(const ModelShape shape, ShapeFromJson(json, shape_path));
  STILL_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(JoinPath(directory, kWeightsFile)));
  ParameterSet parameters(shape, trainable);
  const Status copied = CopyFromFile(file, parameters);
  if (!copied.ok()) return Status(Code::kDataLoss, copied.message());
  STILL_ASSIGN_OR_RETURN(const std::string recorded, ReadFile(JoinPath(directory, kDigestFile)));
  const std::string digest = parameters.WeightsDigest();
  if (recorded != digest + "\n") {
    return Error(Code::kDataLoss,
                 "{}: the weights' digest is {}, but {} says {}; remove the directory so that it is made again",
                 file.path(), digest, kDigestFile, recorded.substr(0, recorded.find('\n')));
  }
  return parameters;
}

}  // namespace still::worker
