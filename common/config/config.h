// YAML onto a protobuf message by reflection: one schema for file, wire and the copy stored in artifacts.
// Unknown keys, wrong types and repeated keys are INVALID_ARGUMENT errors of the form "file:line:column: ...", naming
// the key and, for an unknown one, the nearest known key. yaml-cpp's exceptions end here.
#pragma once

#include <string>

#include "common/status.h"

namespace google::protobuf {
class Message;
}

namespace still {

// Merges the YAML document at `path` into `*message`, whose preset values are the defaults.
// Mapping -> message, sequence -> repeated, scalar -> scalar; enums by their value's name without prefix, lower case.
Status LoadYamlFile(const std::string& path, google::protobuf::Message* message);
Status LoadYamlText(const std::string& text, const std::string& origin, google::protobuf::Message* message);

// The message as YAML in field order, defaults included: the effective configuration.
std::string ToYaml(const google::protobuf::Message& message);

// JSON both ways (protobuf's own mapping, original field names). Unknown fields are errors.
Result<std::string> ToJson(const google::protobuf::Message& message);
Status FromJson(const std::string& json, const std::string& origin, google::protobuf::Message* message);

}  // namespace still
