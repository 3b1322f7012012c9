// Copies YAML nodes into protobuf messages, for config.cc and sweep.cc. This is the only header that shows yaml-cpp.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <yaml-cpp/yaml.h>

#include <set>
#include <string>
#include <string_view>

#include "common/status.h"

namespace still {

// Returns an enum value's name in YAML: "topk" for TARGET_CODEC_TOPK of enum TargetCodec.
std::string NameInYaml(const google::protobuf::EnumValueDescriptor& value);

// Returns the one document of `text`, a null node when it is empty. INVALID_ARGUMENT when the text is not YAML or holds
// several documents. No exception of yaml-cpp leaves this function.
Result<YAML::Node> ParseYaml(const std::string& text, const std::string& origin);

// Copies YAML nodes into fields. Every error is INVALID_ARGUMENT and its place() holds `origin`, line, column and the
// key's dotted path. Stateless; any thread may use it.
class YamlReader {
 public:
  explicit YamlReader(std::string origin) : origin_(std::move(origin)) {}

  // Merges a mapping into `*message`, whose dotted path is `key`. Keys in `others` are skipped.
  Status ReadMessage(const YAML::Node& node, const std::string& key, google::protobuf::Message* message,
                     const std::set<std::string>& others = {}) const;
  // Sets the field that the dotted path in `key` leads to from `message`.
  Status ReadPath(const YAML::Node& key, const YAML::Node& value, google::protobuf::Message* message) const;

  // Returns an error whose place() is the node's place and `key`, the dotted path of what is wrong.
  Status At(const YAML::Node& node, const std::string& key, std::string problem) const;
  // Returns the error "'key': expected <expected>, got <the node>".
  Status Wrong(const YAML::Node& node, const std::string& key, std::string_view expected) const;

 private:
  Status UnknownKey(const YAML::Node& node, const std::string& path,
                    const google::protobuf::Descriptor& descriptor) const;
  // Reads one key of a mapping, or the last key of a path.
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
