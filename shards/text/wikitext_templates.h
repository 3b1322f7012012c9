// Renders well-known templates as text: {{convert|7.7|mm|in}} -> "7.7 mm", {{nowrap|x}} -> "x".
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace still::shards {

// Appends to `out` what a reader sees of a template call, or nothing for a template that is not known. `parts` is the
// text between {{ and }}, split at |: the name, then the arguments. Their own markup has been removed.
void RenderTemplate(std::span<const std::string_view> parts, std::string* out);

// Returns `text` without white space at its ends.
std::string_view Trimmed(std::string_view text);
// Returns `text` with ASCII capitals in lower case.
std::string LowerAscii(std::string_view text);

}  // namespace still::shards
