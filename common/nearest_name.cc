#include "common/nearest_name.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace still {
namespace {

std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = std::exchange(row[j + 1], std::min({substituted, row[j] + 1, row[j + 1] + 1}));
    }
  }
  return row.back();
}

// Counts the slips between two words. The right letters in a wrong order are one slip.
std::size_t Slips(std::string_view typed, std::string_view meant) {
  const std::size_t distance = EditDistance(typed, meant);
  return std::ranges::is_permutation(typed, meant) ? std::min<std::size_t>(1, distance) : distance;
}

}  // namespace

std::string NearestName(std::string_view name, const std::vector<std::string>& known) {
  const auto begun = std::ranges::find_if(known, [&](const auto& a) { return name.size() > 1 && a.starts_with(name); });
  if (begun != known.end()) return *begun;
  const auto nearest =
      std::ranges::min_element(known, [&](const auto& a, const auto& b) { return Slips(name, a) < Slips(name, b); });
  const bool near = nearest != known.end() && Slips(name, *nearest) <= std::max<std::size_t>(1, name.size() / 3);
  return near ? *nearest : "";
}

}  // namespace still
