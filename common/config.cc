#include "common/config.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <set>
#include <vector>

#include "common/files.h"

namespace still {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = std::exchange(row[j + 1], std::min({substituted, row[j] + 1, row[j + 1] + 1}));
    }
  }
  return row.back();
}

// "TARGET_CODEC_TOPK" of enum TargetCodec is written "topk".
std::string NameInYaml(const EnumValueDescriptor& value) {
  std::string prefix;
  for (const char c : value.type()->name()) {
    if (std::isupper(static_cast<unsigned char>(c)) != 0 && !prefix.empty()) prefix += '_';
    prefix += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  prefix += '_';
  std::string name = value.name();
  if (name.starts_with(prefix)) name.erase(0, prefix.size());
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  return name;
}

// Copies YAML nodes into fields. `key` is the dotted path of the field in messages.
class YamlReader {
 public:
  explicit YamlReader(const std::string& origin) : origin_(origin) {}

  Status ReadMessage(const YAML::Node& node, const std::string& key, Message* message) const {
    if (node.IsNull()) return Ok();  // a section whose keys are all commented out
    if (!node.IsMap()) return Wrong(node, key, "a mapping of keys to values");
    std::set<std::string> seen;
    for (const auto& item : node) {
      if (!item.first.IsScalar()) return At(item.first, "a key must be a plain word");
      const std::string& name = item.first.Scalar();
      const std::string path = key.empty() ? name : key + "." + name;
      if (!seen.insert(name).second) return At(item.first, fmt::format("key '{}' is given twice", path));
      const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(name);
      if (field == nullptr) return UnknownKey(item.first, path, *message->GetDescriptor());
      if (item.second.IsNull() && !field->is_repeated() && field->message_type() == nullptr) {
        return At(item.first, fmt::format("'{}' has no value: give it one, or leave the key out", path));
      }
      STILL_RETURN_IF_ERROR(ReadField(item.second, path, *field, message));
    }
    return Ok();
  }

 private:
  Status At(const YAML::Node& node, const std::string& problem) const {
    return Error(Code::kInvalidArgument, "{}:{}:{}: {}", origin_, node.Mark().line + 1, node.Mark().column + 1,
                 problem);
  }

  Status Wrong(const YAML::Node& node, const std::string& key, std::string_view expected) const {
    const std::string got = node.IsScalar()     ? "'" + node.Scalar() + "'"
                            : node.IsSequence() ? "a list"
                            : node.IsMap()      ? "a mapping"
                                                : "nothing";
    const std::string subject = key.empty() ? "the document" : "'" + key + "'";
    return At(node, fmt::format("{}: expected {}, got {}", subject, expected, got));
  }

  Status UnknownKey(const YAML::Node& node, const std::string& path, const Descriptor& descriptor) const {
    std::vector<std::string> known;
    for (int i = 0; i < descriptor.field_count(); ++i) known.push_back(descriptor.field(i)->name());
    const std::string& name = node.Scalar();
    const auto nearest = std::min_element(known.begin(), known.end(), [&](const auto& a, const auto& b) {
      return EditDistance(name, a) < EditDistance(name, b);
    });
    if (EditDistance(name, *nearest) <= std::max<std::size_t>(2, name.size() / 3)) {
      return At(node, fmt::format("unknown key '{}'; did you mean '{}'?", path, *nearest));
    }
    return At(node, fmt::format("unknown key '{}'; known here: {}", path, fmt::join(known, ", ")));
  }

  Status ReadField(const YAML::Node& node, const std::string& key, const FieldDescriptor& field,
                   Message* message) const {
    if (!field.is_repeated()) return ReadValue(node, key, field, message);
    if (!node.IsSequence() && !node.IsNull()) return Wrong(node, key, "a list");
    message->GetReflection()->ClearField(message, &field);
    for (std::size_t i = 0; i < node.size(); ++i) {
      STILL_RETURN_IF_ERROR(ReadValue(node[i], fmt::format("{}[{}]", key, i), field, message));
    }
    return Ok();
  }

  // Sets a single field, or appends to a repeated one.
  Status ReadValue(const YAML::Node& node, const std::string& key, const FieldDescriptor& field,
                   Message* message) const {
    const Reflection& reflection = *message->GetReflection();
    const auto store = [&](auto set, auto add, auto value) {
      field.is_repeated() ? (reflection.*add)(message, &field, value) : (reflection.*set)(message, &field, value);
      return Ok();
    };
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return ReadMessage(
            node, key,
            field.is_repeated() ? reflection.AddMessage(message, &field) : reflection.MutableMessage(message, &field));
      case FieldDescriptor::CPPTYPE_STRING:
        if (!node.IsScalar()) return Wrong(node, key, "text");
        return store(&Reflection::SetString, &Reflection::AddString, node.Scalar());
      case FieldDescriptor::CPPTYPE_BOOL:
        if (!node.IsScalar() || (node.Scalar() != "true" && node.Scalar() != "false")) {
          return Wrong(node, key, "true or false");
        }
        return store(&Reflection::SetBool, &Reflection::AddBool, node.Scalar() == "true");
      case FieldDescriptor::CPPTYPE_ENUM: {
        STILL_ASSIGN_OR_RETURN(const EnumValueDescriptor* value, ReadEnum(node, key, *field.enum_type()));
        return store(&Reflection::SetEnum, &Reflection::AddEnum, value);
      }
      case FieldDescriptor::CPPTYPE_UINT32: {
        STILL_ASSIGN_OR_RETURN(const auto value, ReadNumber<std::uint32_t>(node, key));
        return store(&Reflection::SetUInt32, &Reflection::AddUInt32, value);
      }
      case FieldDescriptor::CPPTYPE_UINT64: {
        STILL_ASSIGN_OR_RETURN(const auto value, ReadNumber<std::uint64_t>(node, key));
        return store(&Reflection::SetUInt64, &Reflection::AddUInt64, value);
      }
      case FieldDescriptor::CPPTYPE_DOUBLE: {
        STILL_ASSIGN_OR_RETURN(const auto value, ReadNumber<double>(node, key));
        return store(&Reflection::SetDouble, &Reflection::AddDouble, value);
      }
      default: break;
    }
    STILL_CHECK(false, fmt::format("{}: configurations have no fields of type {}", key, field.cpp_type_name()));
  }

  template <typename T>
  Result<T> ReadNumber(const YAML::Node& node, const std::string& key) const {
    const std::string_view expected = std::is_integral_v<T> ? "a whole number from 0" : "a number";
    if (!node.IsScalar()) return Wrong(node, key, expected);
    const std::string& text = node.Scalar();
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = end == text.data() + text.size();
    if (error == std::errc::result_out_of_range && whole) {
      return At(node, fmt::format("'{}': {} is out of range", key, text));
    }
    if (error != std::errc() || !whole) return Wrong(node, key, expected);
    if constexpr (!std::is_integral_v<T>) {
      if (!std::isfinite(value)) return Wrong(node, key, expected);
    }
    return value;
  }

  Result<const EnumValueDescriptor*> ReadEnum(const YAML::Node& node, const std::string& key,
                                              const EnumDescriptor& type) const {
    std::vector<std::string> allowed;
    for (int i = 0; i < type.value_count(); ++i) {
      if (type.value(i)->number() == 0) continue;  // "unspecified" is for the wire
      allowed.push_back(NameInYaml(*type.value(i)));
      if (node.IsScalar() && node.Scalar() == allowed.back()) return type.value(i);
    }
    return Wrong(node, key, fmt::format("one of {}", fmt::join(allowed, ", ")));
  }

  const std::string& origin_;
};

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

Status LoadYamlFile(const std::string& path, Message* message) {
  STILL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  return LoadYamlText(text, path, message);
}

Status LoadYamlText(const std::string& text, const std::string& origin, Message* message) {
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.empty()) return Ok();
    if (documents.size() > 1)
      return Error(Code::kInvalidArgument, "{}: holds {} documents, expected one", origin, documents.size());
    return YamlReader(origin).ReadMessage(documents[0], "", message);
  } catch (const YAML::Exception& error) {
    return Error(Code::kInvalidArgument, "{}:{}:{}: not YAML: {}", origin, error.mark.line + 1, error.mark.column + 1,
                 error.msg);
  }
}

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
