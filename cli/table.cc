#include "cli/table.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/text.h"
#include "common/check.h"

namespace still::cli {
namespace {

constexpr std::size_t kGap = 2;

bool IsCut(int fit) { return fit == kCutEnd || fit == kCutBeginning; }

// Returns the width below which a column is not cut. Names may get narrower than sentences.
std::size_t LeastWidth(int fit) { return fit == kCutBeginning ? 14 : 24; }

bool ContinuesCodePoint(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Returns the byte at which code point `index` of `text` begins, or the size of `text`.
std::size_t ByteOf(std::string_view text, std::size_t index) {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if (!ContinuesCodePoint(text[at]) && index-- == 0) break;
  }
  return at;
}

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
  return columns == 0 ? "" : std::string(text.substr(0, ByteOf(text, columns - 1))) + "…";
}

std::string ClippedInFront(std::string_view text, std::size_t columns) {
  const std::size_t width = Width(text);
  if (width <= columns) return std::string(text);
  return columns == 0 ? "" : "…" + std::string(text.substr(ByteOf(text, width - columns + 1)));
}

void Table::Add(std::vector<std::string> row) {
  STILL_CHECK(row.size() == columns_.size(), "a text for each column");
  for (std::string& text : row) text = Escaped(text);
  rows_.push_back(std::move(row));
}

std::vector<std::size_t> Table::Widths(std::size_t columns) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t widest = 0;
    for (const auto& row : rows_) widest = std::max(widest, Width(row[i]));
    widths.push_back(widest == 0 ? 0 : std::max(widest, Width(columns_[i].title)));
  }
  if (columns == 0) return widths;
  const auto least = [&](std::size_t i) {
    return IsCut(columns_[i].fit) ? std::min(widths[i], LeastWidth(columns_[i].fit)) : widths[i];
  };
  const auto total = [&](const auto& width_of) {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      if (widths[i] != 0) sum += (sum == 0 ? 0 : kGap) + width_of(i);
    }
    return sum;
  };
  // Returns the first column of the highest rank. Columns of rank 0 do not count.
  const auto highest = [&](const auto& rank_of) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < widths.size(); ++i) {
      if (rank_of(i) > rank_of(best)) best = i;
    }
    return best;
  };
  const auto spare = [&](std::size_t i) { return widths[i] != 0 && columns_[i].fit >= kSpare ? columns_[i].fit : 0; };
  while (total(least) > columns) {
    const std::size_t left_out = highest(spare);
    if (spare(left_out) == 0) break;
    widths[left_out] = 0;
  }
  const auto excess = [&](std::size_t i) { return widths[i] > least(i) ? widths[i] : 0; };
  while (total([&](std::size_t i) { return widths[i]; }) > columns) {
    const std::size_t cut = highest(excess);
    if (excess(cut) == 0) break;
    --widths[cut];
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
