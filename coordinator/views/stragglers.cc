#include "coordinator/views/stragglers.h"

#include <algorithm>
#include <cstddef>

namespace still::coordinator {
namespace {

constexpr double kStraggleSeconds = 5.0;  // a shorter delay is never reported
constexpr double kStraggleFactor = 4.0;

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

std::vector<std::uint32_t> Stragglers(const std::vector<v1::RankState>& ranks) {
  std::vector<std::uint32_t> stragglers;
  if (ranks.size() < 2) return stragglers;
  std::uint64_t first_step = 0;
  std::size_t waiting = 0;
  double waited = 0;  // by the rank that has waited for the shortest time
  for (const v1::RankState& rank : ranks) {
    first_step = std::max(first_step, rank.step());
    if (rank.phase() != v1::PHASE_REDUCE && rank.phase() != v1::PHASE_VOTE) continue;
    waited = waiting == 0 ? rank.phase_seconds() : std::min(waited, rank.phase_seconds());
    ++waiting;
  }
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    const v1::RankState& rank = ranks[i];
    std::vector<double> others;
    for (std::size_t j = 0; j < ranks.size(); ++j) {
      if (j != i && FactsOf(ranks[j].phase()).works_alone) others.push_back(ranks[j].phase_seconds());
    }
    const bool alone = FactsOf(rank.phase()).works_alone;
    const bool behind = rank.step() + 2 <= first_step;
    const bool stuck =
        alone && !others.empty() && rank.phase_seconds() > std::max(kStraggleSeconds, kStraggleFactor * Median(others));
    const bool awaited = alone && 2 * waiting >= ranks.size() && waited > kStraggleSeconds;
    if (behind || stuck || awaited) stragglers.push_back(rank.rank());
  }
  return stragglers;
}

}  // namespace still::coordinator
