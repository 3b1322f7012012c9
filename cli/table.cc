#include "cli/table.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/text.h"
#include "common/check.h"

namespace still::cli {
namespace {

constexpr std::size_t kGap = 2;

// Of a column that is cut, unless its texts are shorter: names, and sentences.
std::size_t LeastWidth(int fit) { return fit == kCutBeginning ? 14 : 24; }

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

std::string ClippedInFront(std::string_view text, std::size_t columns) {
  const std::size_t width = Width(text);
  if (width <= columns) return std::string(text);
  if (columns == 0) return "";
  std::size_t begin = 0;
  for (std::size_t seen = 0; begin < text.size(); ++begin) {
    if (!ContinuesCodePoint(text[begin]) && seen++ == width - columns + 1) break;
  }
  return "…" + std::string(text.substr(begin));
}

void Table::Add(std::vector<std::string> row) {
  STILL_CHECK(row.size() == columns_.size(), "a text for each column");
  for (std::string& text : row) text = Escaped(text);
  rows_.push_back(std::move(row));
}

// Of each column; 0: left out.
std::vector<std::size_t> Table::Widths(std::size_t columns) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t widest = 0;
    for (const auto& row : rows_) widest = std::max(widest, Width(row[i]));
    widths.push_back(widest == 0 ? 0 : std::max(widest, Width(columns_[i].title)));
  }
  if (columns == 0) return widths;
  const auto is_cut = [&](std::size_t i) { return columns_[i].fit == kCutEnd || columns_[i].fit == kCutBeginning; };
  // With the columns that are cut as narrow as they get, or as they are.
  const auto total = [&](bool cut) {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      if (widths[i] == 0) continue;
      sum += (sum == 0 ? 0 : kGap) + (cut && is_cut(i) ? std::min(widths[i], LeastWidth(columns_[i].fit)) : widths[i]);
    }
    return sum;
  };
  while (total(/*cut=*/true) > columns) {
    std::size_t spare = columns_.size();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (widths[i] == 0 || columns_[i].fit < kSpare) continue;
      if (spare == columns_.size() || columns_[i].fit > columns_[spare].fit) spare = i;
    }
    if (spare == columns_.size()) break;
    widths[spare] = 0;
  }
  while (total(/*cut=*/false) > columns) {
    std::size_t widest = columns_.size();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (is_cut(i) && widths[i] > LeastWidth(columns_[i].fit) &&
          (widest == columns_.size() || widths[i] > widths[widest]))
        widest = i;
    }
    if (widest == columns_.size()) break;
    --widths[widest];
  }
  return widths;
}

std::string Table::Text(std::size_t columns) const {
  const std::vector<std::size_t> widths = Widths(columns);
  const auto line = [&](const auto& text_of) {
    std::string text;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (widths[i] == 0) continue;
      const bool in_front = columns_[i].fit == kCutBeginning;
      const std::string cell = in_front ? ClippedInFront(text_of(i), widths[i]) : Clipped(text_of(i), widths[i]);
      text += (text.empty() ? "" : std::string(kGap, ' ')) + Padded(cell, widths[i], columns_[i].align);
    }
    text = text.substr(0, text.find_last_not_of(' ') + 1);
    return (columns == 0 ? text : Clipped(text, columns)) + "\n";
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
