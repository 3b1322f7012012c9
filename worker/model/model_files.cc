#include "worker/model/model_files.h"

#include <ATen/ops/empty.h>
#include <fmt/ranges.h>

#include <cmath>
#include <cstring>
#include <numbers>

#include "common/progress.h"
#include "common/random.h"
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

void CopyParameter(const ParameterSet& from, const std::string& source, ParameterSet& to, const std::string& name) {
  to[name].detach().copy_(from[source].detach());
}

// N(0, 0.02) by Box and Muller for tables and matrices, 1 for LayerNorm weights; biases stay 0.
void RandomInitialise(ParameterSet& parameters, std::uint64_t seed) {
  constexpr double kDeviation = 0.02;
  for (std::size_t i = 0; i < parameters.layout().size(); ++i) {
    const ParameterInfo& info = parameters.layout()[i];
    at::Tensor view = parameters[info.name].detach();
    if (info.name.ends_with("norm.weight")) view.fill_(1);
    if (!info.decay) continue;
    const at::Tensor values = at::empty({info.size}, at::kDouble);
    auto* out = static_cast<double*>(values.mutable_data_ptr());
    KeyedRandom random(MixKey({seed, i}));
    for (std::int64_t k = 0; k < info.size; k += 2) {
      const double radius = kDeviation * std::sqrt(-2 * std::log(1 - random.NextUnit()));
      const double angle = 2 * std::numbers::pi * random.NextUnit();
      out[k] = radius * std::cos(angle);
      if (k + 1 < info.size) out[k + 1] = radius * std::sin(angle);
    }
    view.copy_(values.view(info.shape));
  }
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

// Student layer i is the teacher's at i (L - 1) / (n - 1), rounded to the nearest, halves down: the first and the last
// are always kept, and 6 of 12 are DistilBERT's.
std::vector<std::int64_t> StudentLayers(std::int64_t teacher_layers, std::int64_t student_layers) {
  STILL_CHECK(student_layers >= 1 && student_layers <= teacher_layers, "a student has 1 to the teacher's layers");
  std::vector<std::int64_t> layers{0};
  const std::int64_t gaps = student_layers - 1;
  for (std::int64_t i = 1; i <= gaps; ++i) {
    layers.push_back((2 * i * (teacher_layers - 1) + gaps - 1) / (2 * gaps));
  }
  return layers;
}

ParameterSet InitialiseStudent(const ParameterSet& teacher, std::int64_t layers, bool from_teacher,
                               std::uint64_t seed) {
  ModelShape shape = teacher.shape();
  shape.layers = layers;
  ParameterSet student(shape, /*trainable=*/true, teacher.weights().scalar_type());
  if (!from_teacher) {
    RandomInitialise(student, seed);
    return student;
  }
  const std::vector<std::int64_t> chosen = StudentLayers(teacher.shape().layers, layers);
  for (const ParameterInfo& info : student.layout()) {
    std::string source = info.name;
    if (source.starts_with("layer.")) {
      const std::size_t dot = source.find('.', 6);
      const auto layer = static_cast<std::size_t>(std::stoll(source.substr(6, dot - 6)));
      source = "layer." + std::to_string(chosen[layer]) + source.substr(dot);
    }
    CopyParameter(teacher, source, student, info.name);
  }
  return student;
}

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
