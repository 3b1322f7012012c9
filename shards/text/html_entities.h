// HTML character references, as they occur in wikitext.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace still::shards {

// Appends one code point as UTF-8. It must be a Unicode scalar value.
void AppendUtf8(char32_t code_point, std::string* out);

// If `text` starts with a character reference ("&ndash;", "&#8211;", "&#x2013;"), appends its character to `out` and
// returns its length in bytes. Returns 0 otherwise, and for a reference to NUL, to a surrogate or beyond Unicode.
std::size_t DecodeEntity(std::string_view text, std::string* out);

}  // namespace still::shards
