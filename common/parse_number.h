// Numbers in text.
#pragma once

#include <charconv>
#include <string_view>
#include <system_error>

namespace still {

// Stores in `number` what the whole text says, and returns true. Nothing else may stand in the text: no blank, no plus
// sign, and for an unsigned type no minus sign. Returns false if it does, or if the type cannot hold the number.
template <typename Number>
bool ParseNumber(std::string_view text, Number* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace still
