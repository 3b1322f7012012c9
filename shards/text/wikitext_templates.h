// How well-known templates read as text: {{convert|7.7|mm|in}} -> "7.7 mm", {{nowrap|x}} -> "x".
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace still::shards {

// Appends to `out` what a reader sees of a template call, nothing for one that is not known to be worth reading.
// `parts` are what stands between {{ and }}, split at |: the name first, then arguments, whose own markup is gone.
void RenderTemplate(std::span<const std::string_view> parts, std::string* out);

std::string_view Trimmed(std::string_view text);
std::string LowerAscii(std::string_view text);

}  // namespace still::shards
