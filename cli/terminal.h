// Standard output, and the terminal that may be behind it.
#pragma once

#include <cstddef>
#include <string_view>

namespace still::cli {

// Writes `text` to standard output at once. main.cc reports what could not be written.
void Print(std::string_view text);

// Returns true when standard output is a terminal.
bool OnTerminal();

struct TerminalSize {
  std::size_t columns = 80;
  std::size_t rows = 24;
};
// Returns the size of the terminal behind standard output, or 80 by 24 when that is not known.
TerminalSize SizeOfTerminal();

}  // namespace still::cli
