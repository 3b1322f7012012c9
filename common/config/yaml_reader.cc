#include "common/config/yaml_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "common/nearest_name.h"

namespace still {
namespace {

constexpr int kFirstHiddenValue = 100;  // values from here on are for tests, and no message names them

}  // namespace

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

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

Result<YAML::Node> ParseYaml(const std::string& text, const std::string& origin) {
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() > 1)
      return Error(Code::kInvalidArgument, "holds {} documents, expected one", documents.size()).At({.file = origin});
    return documents.empty() ? YAML::Node() : documents[0];
  } catch (const YAML::Exception& error) {
    return Error(Code::kInvalidArgument, "not YAML: {}", error.msg)
        .At({.file = origin, .line = error.mark.line + 1, .column = error.mark.column + 1});
  }
}

Status YamlReader::ReadMessage(const YAML::Node& node, const std::string& key, Message* message,
                               const std::set<std::string>& others) const {
  if (node.IsNull()) return Ok();  // a section whose keys are all commented out is empty
  if (!node.IsMap()) return Wrong(node, key, "a mapping of keys to values");
  std::set<std::string> seen;
  for (const auto& item : node) {
    if (!item.first.IsScalar()) return At(item.first, key, "a key must be a plain word");
    const std::string& name = item.first.Scalar();
    const std::string path = key.empty() ? name : key + "." + name;
    if (!seen.insert(name).second) return At(item.first, path, fmt::format("key '{}' is given twice", path));
    if (others.contains(name)) continue;
    STILL_RETURN_IF_ERROR(ReadNamed(item.first, name, path, item.second, message));
  }
  return Ok();
}

Status YamlReader::ReadPath(const YAML::Node& key, const YAML::Node& value, Message* message) const {
  const std::string& path = key.Scalar();
  std::size_t begin = 0;
  for (std::size_t dot; (dot = path.find('.', begin)) != std::string::npos; begin = dot + 1) {
    const std::string name = path.substr(begin, dot - begin);
    const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(name);
    if (field == nullptr) return UnknownKey(key, path.substr(0, dot), *message->GetDescriptor());
    if (field->message_type() == nullptr || field->is_repeated())
      return At(key, path,
                fmt::format("'{}' is no section: it has no key '{}'", path.substr(0, dot), path.substr(dot + 1)));
    message = message->GetReflection()->MutableMessage(message, field);
  }
  return ReadNamed(key, path.substr(begin), path, value, message);
}

Status YamlReader::ReadNamed(const YAML::Node& key_node, const std::string& name, const std::string& path,
                             const YAML::Node& value, Message* message) const {
  const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(name);
  if (field == nullptr) return UnknownKey(key_node, path, *message->GetDescriptor());
  if (value.IsNull() && !field->is_repeated() && field->message_type() == nullptr) {
    return At(key_node, path, fmt::format("'{}' has no value: give it one, or leave the key out", path));
  }
  return ReadField(value, path, *field, message);
}

Status YamlReader::At(const YAML::Node& node, const std::string& key, std::string problem) const {
  return Status(Code::kInvalidArgument, std::move(problem))
      .At({.key = key, .file = origin_, .line = node.Mark().line + 1, .column = node.Mark().column + 1});
}

Status YamlReader::Wrong(const YAML::Node& node, const std::string& key, std::string_view expected) const {
  const std::string got = node.IsScalar()     ? "'" + node.Scalar() + "'"
                          : node.IsSequence() ? "a list"
                          : node.IsMap()      ? "a mapping"
                                              : "nothing";
  const std::string subject = key.empty() ? "the document" : "'" + key + "'";
  return At(node, key, fmt::format("{}: expected {}, got {}", subject, expected, got));
}

Status YamlReader::UnknownKey(const YAML::Node& node, const std::string& path, const Descriptor& descriptor) const {
  std::vector<std::string> known;
  for (int i = 0; i < descriptor.field_count(); ++i) known.push_back(descriptor.field(i)->name());
  const std::string name = path.substr(path.rfind('.') + 1);
  if (const std::string nearest = NearestName(name, known); !nearest.empty())
    return At(node, path, fmt::format("unknown key '{}'; did you mean '{}'?", path, nearest));
  return At(node, path, fmt::format("unknown key '{}'; known here: {}", path, fmt::join(known, ", ")));
}

Status YamlReader::ReadField(const YAML::Node& node, const std::string& key, const FieldDescriptor& field,
                             Message* message) const {
  if (!field.is_repeated()) return ReadValue(node, key, field, message);
  if (!node.IsSequence() && !node.IsNull()) return Wrong(node, key, "a list");
  message->GetReflection()->ClearField(message, &field);
  for (std::size_t i = 0; i < node.size(); ++i) {
    STILL_RETURN_IF_ERROR(ReadValue(node[i], fmt::format("{}[{}]", key, i), field, message));
  }
  return Ok();
}

Status YamlReader::ReadValue(const YAML::Node& node, const std::string& key, const FieldDescriptor& field,
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
Result<T> YamlReader::ReadNumber(const YAML::Node& node, const std::string& key) const {
  const std::string_view expected = std::is_integral_v<T> ? "a whole number from 0" : "a number";
  if (!node.IsScalar()) return Wrong(node, key, expected);
  const std::string& text = node.Scalar();
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = end == text.data() + text.size();
  if (error == std::errc::result_out_of_range && whole) {
    return At(node, key, fmt::format("'{}': {} is out of range", key, text));
  }
  if (error != std::errc() || !whole) return Wrong(node, key, expected);
  if constexpr (!std::is_integral_v<T>) {
    if (!std::isfinite(value)) return Wrong(node, key, expected);
  }
  return value;
}

Result<const EnumValueDescriptor*> YamlReader::ReadEnum(const YAML::Node& node, const std::string& key,
                                                        const EnumDescriptor& type) const {
  std::vector<std::string> allowed;
  for (int i = 0; i < type.value_count(); ++i) {
    const EnumValueDescriptor* const value = type.value(i);
    if (value->number() == 0) continue;  // "unspecified" is for the wire only
    if (node.IsScalar() && node.Scalar() == NameInYaml(*value)) return value;
    if (value->number() < kFirstHiddenValue) allowed.push_back(NameInYaml(*value));
  }
  return Wrong(node, key, fmt::format("one of {}", fmt::join(allowed, ", ")));
}

}  // namespace still
