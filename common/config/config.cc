#include "common/config/config.h"

#include <google/protobuf/util/json_util.h>

#include "common/config/yaml_reader.h"

namespace still {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

void WriteMessage(const Message& message, YAML::Emitter& out);

void WriteValue(const Message& message, const FieldDescriptor& field, int index, YAML::Emitter& out) {
  const Reflection& reflection = *message.GetReflection();
  const auto load = [&](auto get, auto get_repeated) {
    return field.is_repeated() ? (reflection.*get_repeated)(message, &field, index)
                               : (reflection.*get)(message, &field);
  };
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return WriteMessage(field.is_repeated() ? reflection.GetRepeatedMessage(message, &field, index)
                                              : reflection.GetMessage(message, &field),
                          out);
    case FieldDescriptor::CPPTYPE_STRING: out << load(&Reflection::GetString, &Reflection::GetRepeatedString); return;
    case FieldDescriptor::CPPTYPE_BOOL: out << load(&Reflection::GetBool, &Reflection::GetRepeatedBool); return;
    case FieldDescriptor::CPPTYPE_ENUM:
      out << NameInYaml(*load(&Reflection::GetEnum, &Reflection::GetRepeatedEnum));
      return;
    case FieldDescriptor::CPPTYPE_UINT32:
      out << fmt::format("{}", load(&Reflection::GetUInt32, &Reflection::GetRepeatedUInt32));
      return;
    case FieldDescriptor::CPPTYPE_UINT64:
      out << fmt::format("{}", load(&Reflection::GetUInt64, &Reflection::GetRepeatedUInt64));
      return;
    case FieldDescriptor::CPPTYPE_DOUBLE:  // fmt's shortest form that round-trips
      out << fmt::format("{}", load(&Reflection::GetDouble, &Reflection::GetRepeatedDouble));
      return;
    default: STILL_CHECK(false, fmt::format("configurations have no fields of type {}", field.cpp_type_name()));
  }
}

void WriteMessage(const Message& message, YAML::Emitter& out) {
  out << YAML::BeginMap;
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    out << YAML::Key << field.name() << YAML::Value;
    if (!field.is_repeated()) {
      WriteValue(message, field, 0, out);
      continue;
    }
    out << YAML::BeginSeq;
    for (int at = 0; at < message.GetReflection()->FieldSize(message, &field); ++at)
      WriteValue(message, field, at, out);
    out << YAML::EndSeq;
  }
  out << YAML::EndMap;
}

}  // namespace

std::string ToYaml(const Message& message) {
  YAML::Emitter out;
  WriteMessage(message, out);
  return std::string(out.c_str()) + "\n";
}

Result<std::string> ToJson(const Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!status.ok())
    return Error(Code::kInternal, "cannot write {} as JSON: {}", message.GetTypeName(), status.ToString());
  return json;
}

Status FromJson(const std::string& json, const std::string& origin, Message* message) {
  const auto status = google::protobuf::util::JsonStringToMessage(json, message);
  if (status.ok()) return Ok();
  return Error(Code::kInvalidArgument, "{}: not a {} in JSON: {}", origin, message->GetTypeName(), status.ToString());
}

}  // namespace still
