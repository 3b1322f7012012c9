// HTML character references, as they occur in wikitext.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace still::shards {

// Appends one code point as UTF-8.
void AppendUtf8(char32_t code_point, std::string* out);

// If `text` starts with a character reference ("&ndash;", "&#8211;", "&#x2013;"), appends its character to `out` and
// returns the bytes it took; else 0. A reference to NUL, a surrogate or beyond Unicode is none.
std::size_t DecodeEntity(std::string_view text, std::string* out);

}  // namespace still::shards
