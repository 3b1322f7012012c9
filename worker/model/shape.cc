#include "worker/model/shape.h"

#include <nlohmann/json.hpp>

namespace still::worker {
namespace {

struct Field {
  const char* name;
  std::int64_t ModelShape::*member;
};

constexpr Field kFields[] = {
    {"layers", &ModelShape::layers},         {"hidden", &ModelShape::hidden},
    {"heads", &ModelShape::heads},           {"intermediate", &ModelShape::intermediate},
    {"vocabulary", &ModelShape::vocabulary}, {"positions", &ModelShape::positions},
};

}  // namespace

std::int64_t ModelShape::EncoderParameters() const {
  const std::int64_t norm = 2 * hidden;
  const std::int64_t embeddings = (vocabulary + positions) * hidden + norm;
  const std::int64_t attention = 4 * hidden * hidden + 4 * hidden + norm;
  const std::int64_t feed_forward = 2 * hidden * intermediate + intermediate + hidden + norm;
  return embeddings + layers * (attention + feed_forward);
}

std::int64_t ModelShape::Parameters() const {
  return EncoderParameters() + hidden * hidden + hidden + 2 * hidden + vocabulary;
}

Status ModelShape::Check() const {
  for (const Field& field : kFields) {
    if (this->*field.member <= 0) {
      return Error(Code::kInvalidArgument, "model shape: {} must be positive, but is {}", field.name,
                   this->*field.member);
    }
  }
  if (hidden % heads != 0) {
    return Error(Code::kInvalidArgument, "model shape: heads ({}) must divide hidden ({})", heads, hidden);
  }
  if (!(layer_norm_epsilon > 0)) {
    return Error(Code::kInvalidArgument, "model shape: layer_norm_epsilon must be positive, but is {}",
                 layer_norm_epsilon);
  }
  return Ok();
}

std::string ShapeToJson(const ModelShape& shape) {
  nlohmann::ordered_json json;
  for (const Field& field : kFields) json[field.name] = shape.*field.member;
  json["layer_norm_epsilon"] = shape.layer_norm_epsilon;
  return json.dump(2) + "\n";
}

Result<ModelShape> ShapeFromJson(const std::string& json, const std::string& origin) {
  const auto parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return Error(Code::kDataLoss, "{}: not a JSON object", origin);
  ModelShape shape;
  for (const Field& field : kFields) {
    const auto found = parsed.find(field.name);
    if (found == parsed.end() || !found->is_number_integer()) {
      return Error(Code::kDataLoss, "{}: \"{}\" is missing or not an integer", origin, field.name);
    }
    shape.*field.member = found->get<std::int64_t>();
  }
  const auto epsilon = parsed.find("layer_norm_epsilon");
  if (epsilon == parsed.end() || !epsilon->is_number()) {
    return Error(Code::kDataLoss, "{}: \"layer_norm_epsilon\" is missing or not a number", origin);
  }
  shape.layer_norm_epsilon = epsilon->get<double>();
  const Status checked = shape.Check();
  if (!checked.ok()) return Status(Code::kDataLoss, origin + ": " + checked.message());
  return shape;
}

}  // namespace still::worker
