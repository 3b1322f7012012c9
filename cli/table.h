// Columns of text, aligned: what every command that lists something prints.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace still::cli {

enum class Align { kLeft, kRight };

// What becomes of a column where the table is too wide: it stays, loses the end or the beginning of its texts, or is
// left out, kSpare + 1 before kSpare.
enum Fit : int { kWhole, kCutEnd, kCutBeginning, kSpare };

struct Column {
  std::string title;
  Align align = Align::kLeft;
  int fit = kWhole;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // One text for each column. Control characters in it are shown, not obeyed (see Escaped).
  void Add(std::vector<std::string> row);
  bool empty() const { return rows_.empty(); }

  // Title line and rows, two blanks between columns, none at the end of a line. Columns that are empty in every row
  // are left out. `columns`: no wider than that, if it can be; 0: as wide as it is.
  std::string Text(std::size_t columns = 0) const;
  // As a table in Markdown.
  std::string Markdown() const;

 private:
  std::vector<std::size_t> Widths(std::size_t columns) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// Columns that the text takes on a terminal: code points, for UTF-8.
std::size_t Width(std::string_view text);
// The first `columns` of it; the last one is "…" when something is cut off.
std::string Clipped(std::string_view text, std::size_t columns);
// The last `columns` of it; the first one is "…" when something is cut off.
std::string ClippedInFront(std::string_view text, std::size_t columns);

}  // namespace still::cli
