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

}  // namespace

std::string NearestName(std::string_view name, const std::vector<std::string>& known) {
  const auto nearest = std::ranges::min_element(
      known, [&](const auto& a, const auto& b) { return EditDistance(name, a) < EditDistance(name, b); });
  const bool near = nearest != known.end() && EditDistance(name, *nearest) <= std::max<std::size_t>(2, name.size() / 3);
  return near ? *nearest : "";
}

}  // namespace still
