#include "cli/table.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/text.h"
#include "common/check.h"

namespace still::cli {
namespace {

bool ContinuesCodePoint(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

std::string Padded(const std::string& text, std::size_t width, Align align) {
  const std::string blanks(width - std::min(width, Width(text)), ' ');
  return align == Align::kLeft ? text + blanks : blanks + text;
}

}  // namespace

std::size_t Width(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return !ContinuesCodePoint(c); }));
}

std::string Clipped(std::string_view text, std::size_t columns) {
  if (Width(text) <= columns) return std::string(text);
  if (columns == 0) return "";
  std::size_t end = 0;
  for (std::size_t seen = 0; end < text.size(); ++end) {
    if (!ContinuesCodePoint(text[end]) && seen++ == columns - 1) break;
  }
  return std::string(text.substr(0, end)) + "…";
}

std::string ClippedLines(std::string_view text, std::size_t columns) {
  std::string clipped;
  for (std::size_t end; (end = text.find('\n')) != std::string_view::npos; text.remove_prefix(end + 1))
    clipped += Clipped(text.substr(0, end), columns) + "\n";
  return clipped + Clipped(text, columns);
}

void Table::Add(std::vector<std::string> row) {
  STILL_CHECK(row.size() == columns_.size(), "a text for each column");
  for (std::string& text : row) text = Escaped(text);
  rows_.push_back(std::move(row));
}

std::string Table::Text() const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t widest = 0;
    for (const auto& row : rows_) widest = std::max(widest, Width(row[i]));
    widths.push_back(widest == 0 ? 0 : std::max(widest, Width(columns_[i].title)));
  }
  const auto line = [&](const auto& text_of) {
    std::string text;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (widths[i] > 0) text += (text.empty() ? "" : "  ") + Padded(text_of(i), widths[i], columns_[i].align);
    }
    return text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
  };
  std::string text = line([&](std::size_t i) { return columns_[i].title; });
  for (const auto& row : rows_) text += line([&](std::size_t i) { return row[i]; });
  return text;
}

std::string Table::Markdown() const {
  std::string text = "|", rule = "|";
  for (const Column& column : columns_) {
    text += fmt::format(" {} |", column.title);
    rule += column.align == Align::kRight ? "---:|" : "---|";
  }
  text += "\n" + rule + "\n";
  for (const auto& row : rows_) {
    text += "|";
    for (std::string cell : row) {
      for (std::size_t at = 0; (at = cell.find('|', at)) != std::string::npos; at += 2) cell.insert(at, "\\");
      text += fmt::format(" {} |", cell);
    }
    text += "\n";
  }
  return text;
}

}  // namespace still::cli
