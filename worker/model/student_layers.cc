#include "worker/model/student_layers.h"

#include <ATen/ops/empty.h>

#include <cmath>
#include <numbers>
#include <string>

#include "common/random.h"

namespace still::worker {
namespace {

void CopyParameter(const ParameterSet& from, const std::string& source, ParameterSet& to, const std::string& name) {
  to[name].detach().copy_(from[source].detach());
}

// Sets tables and matrices to N(0, 0.02) by Box and Muller, and LayerNorm weights to 1. Biases stay 0.
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

}  // namespace

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

}  // namespace still::worker
