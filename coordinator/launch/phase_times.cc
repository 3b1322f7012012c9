#include "coordinator/launch/phase_times.h"

#include <algorithm>
#include <utility>

namespace still::coordinator {

void PhaseTimes::OnHeartbeat(std::uint32_t rank, const v1::Heartbeat& heartbeat, Clock::TimePoint now) {
  if (const auto before = ranks_.find(rank); before != ranks_.end()) {
    const double gap = std::chrono::duration<double>(now - before->second.at).count();
    seconds_[heartbeat.phase()] += std::clamp(gap, 0.0, kLongestGapSeconds);
  }
  v1::RankPhase place;
  place.set_rank(rank);
  place.set_host(heartbeat.host());
  place.set_phase(heartbeat.phase());
  place.set_step(heartbeat.step());
  place.set_phase_seconds(heartbeat.phase_seconds());
  place.set_pid(heartbeat.pid());
  ranks_[rank] = {std::move(place), now};
}

std::vector<v1::RankPhase> PhaseTimes::ranks() const {
  std::vector<v1::RankPhase> ranks;
  for (const auto& [number, sighting] : ranks_) ranks.push_back(sighting.rank);
  return ranks;
}

}  // namespace still::coordinator
