// Aligned columns of text, which every command that lists something prints.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace still::cli {

enum class Align { kLeft, kRight };

// Says what happens to a column of a table that is too wide. It stays whole, loses the end or the beginning of its
// texts, or is left out. A column with kSpare + 1 is left out before one with kSpare.
enum Fit : int { kWhole, kCutEnd, kCutBeginning, kSpare };

struct Column {
  std::string title;
  Align align = Align::kLeft;
  int fit = kWhole;
};

// A table that is filled row by row and then written. Not for use by several threads at once.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // Adds a row with one text per column. Escapes control characters (see Escaped).
  void Add(std::vector<std::string> row);
  bool empty() const { return rows_.empty(); }

  // Returns the title line and the rows. Two blanks separate columns, and no line ends with a blank. A column that is
  // empty in every row is left out. No line is wider than `columns`, unless that is 0.
  std::string Text(std::size_t columns = 0) const;
  // Returns the table in Markdown.
  std::string Markdown() const;

 private:
  // Returns the width of each column, or 0 for a column that is left out.
  std::vector<std::size_t> Widths(std::size_t columns) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// Returns the number of code points of UTF-8 text, which stands for its width on a terminal.
std::size_t Width(std::string_view text);
// Returns the first `columns` code points. The last one is "…" when something was cut off.
std::string Clipped(std::string_view text, std::size_t columns);
// Returns the last `columns` code points. The first one is "…" when something was cut off.
std::string ClippedInFront(std::string_view text, std::size_t columns);

}  // namespace still::cli
