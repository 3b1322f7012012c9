// Writes protobuf messages as YAML, and converts them to and from JSON, by reflection. One schema serves the file, the
// wire and the copy in artifacts. common/config/sweep.h reads YAML.
#pragma once

#include <string>

#include "common/status.h"

namespace google::protobuf {
class Message;
}

namespace still {

// Returns the message as YAML in field order, defaults included: the effective configuration. Enum values are written
// by name, in lower case and without prefix.
std::string ToYaml(const google::protobuf::Message& message);

// Convert to and from JSON by protobuf's own mapping, with the schema's field names. Unknown fields are errors.
Result<std::string> ToJson(const google::protobuf::Message& message);
Status FromJson(const std::string& json, const std::string& origin, google::protobuf::Message* message);

}  // namespace still
