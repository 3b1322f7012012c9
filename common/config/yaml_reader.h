// YAML nodes onto protobuf messages: what config.cc and sweep.cc have in common. The only header that shows yaml-cpp.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <yaml-cpp/yaml.h>

#include <set>
#include <string>
#include <string_view>

#include "common/status.h"

namespace still {

// "TARGET_CODEC_TOPK" of enum TargetCodec is written "topk".
std::string NameInYaml(const google::protobuf::EnumValueDescriptor& value);

// The one document of `text`, a null node when it is empty; yaml-cpp's exceptions end here.
Result<YAML::Node> ParseYaml(const std::string& text, const std::string& origin);

// Copies YAML nodes into fields. Errors are INVALID_ARGUMENT and name `origin`, line, column and the key by its dotted
// path. Stateless.
class YamlReader {
 public:
  explicit YamlReader(std::string origin) : origin_(std::move(origin)) {}

  // `key` is the dotted path of the message. Keys in `others` are not the message's: they are left alone.
  Status ReadMessage(const YAML::Node& node, const std::string& key, google::protobuf::Message* message,
                     const std::set<std::string>& others = {}) const;
  // Sets the field that the dotted path in `key` leads to from `message`.
  Status ReadPath(const YAML::Node& key, const YAML::Node& value, google::protobuf::Message* message) const;

  Status At(const YAML::Node& node, const std::string& problem) const;
  // "'key': expected <this>, got that".
  Status Wrong(const YAML::Node& node, const std::string& key, std::string_view expected) const;

 private:
  Status UnknownKey(const YAML::Node& node, const std::string& path,
                    const google::protobuf::Descriptor& descriptor) const;
  // One key of a mapping, or the last one of a path.
  Status ReadNamed(const YAML::Node& key_node, const std::string& name, const std::string& path,
                   const YAML::Node& value, google::protobuf::Message* message) const;
  Status ReadField(const YAML::Node& node, const std::string& key, const google::protobuf::FieldDescriptor& field,
                   google::protobuf::Message* message) const;
  // Sets a single field, or appends to a repeated one.
  Status ReadValue(const YAML::Node& node, const std::string& key, const google::protobuf::FieldDescriptor& field,
                   google::protobuf::Message* message) const;
  template <typename T>
  Result<T> ReadNumber(const YAML::Node& node, const std::string& key) const;
  Result<const google::protobuf::EnumValueDescriptor*> ReadEnum(const YAML::Node& node, const std::string& key,
                                                                const google::protobuf::EnumDescriptor& type) const;

  const std::string origin_;
};

}  // namespace still
