// Reads and writes protobuf messages as YAML and JSON by reflection. One schema serves the file, the wire and the copy
// in artifacts. Unknown keys, wrong types and repeated keys are INVALID_ARGUMENT errors whose place() names file,
// line, column and key. For an unknown key the message offers the nearest known one.
#pragma once

#include <string>

#include "common/status.h"

namespace google::protobuf {
class Message;
}

namespace still {

// Merges the YAML document `text` of the file `origin` into `*message`, whose preset values are the defaults. A mapping
// becomes a message. A sequence replaces a repeated field. Enum values are written by name, in lower case and without
// prefix. After an error `*message` is half merged.
Status LoadYamlText(const std::string& text, const std::string& origin, google::protobuf::Message* message);

// Returns the message as YAML in field order, defaults included: the effective configuration.
std::string ToYaml(const google::protobuf::Message& message);

// Convert to and from JSON by protobuf's own mapping, with the schema's field names. Unknown fields are errors.
Result<std::string> ToJson(const google::protobuf::Message& message);
Status FromJson(const std::string& json, const std::string& origin, google::protobuf::Message* message);

}  // namespace still
