#include "coordinator/launch/phase_times.h"

#include <algorithm>

namespace still::coordinator {

void PhaseTimes::OnHeartbeat(v1::RankState rank, Clock::TimePoint now) {
  const std::uint32_t number = rank.rank();
  if (const auto before = ranks_.find(number); before != ranks_.end()) {
    const double gap = std::chrono::duration<double>(now - before->second.at).count();
    seconds_[rank.phase()] += std::clamp(gap, 0.0, kLongestGapSeconds);
  }
  ranks_[number] = {std::move(rank), now};
}

std::vector<v1::RankState> PhaseTimes::ranks() const {
  std::vector<v1::RankState> ranks;
  for (const auto& [number, heartbeat] : ranks_) ranks.push_back(heartbeat.rank);
  return ranks;
}

}  // namespace still::coordinator
