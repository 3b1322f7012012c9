#include "coordinator/scheduler/preemption.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <tuple>

namespace still::coordinator {
namespace {

using cluster::GangShape;

struct Room {
  std::int64_t ranks = 0;
  std::int64_t slots = 0;
};

// Counts how many ranks fit when some candidates give back their slots.
class RoomWithout {
 public:
  RoomWithout(const SlotProfile& profile, std::span<const Candidate> candidates, const GangShape& gang, UnixMs from,
              UnixMs to, bool all_given)
      : profile_(profile), candidates_(candidates), gang_(gang), from_(from), to_(to) {
    given_.resize(profile.host_count());
    for (std::size_t i = 0; all_given && i < candidates.size(); ++i) {
      for (const SlotsOnHost& share : candidates[i].slots) given_[share.host].push_back({i, share.slots});
    }
    rooms_.reserve(given_.size());
    for (std::uint32_t host = 0; host < given_.size(); ++host) {
      rooms_.push_back(RoomOn(host, std::nullopt));
      ranks_ += rooms_.back().ranks;
    }
  }

  bool Holds() const { return ranks_ >= gang_.ranks; }
  std::int64_t missing() const { return gang_.ranks - ranks_; }

  // Returns what the candidate would add.
  Room Gain(std::size_t candidate) const {
    Room gain;
    for (const SlotsOnHost& share : candidates_[candidate].slots) {
      const Room room = RoomOn(share.host, candidate);
      gain.ranks += room.ranks - rooms_[share.host].ranks;
      gain.slots += room.slots - rooms_[share.host].slots;
    }
    return gain;
  }
  void Give(std::size_t candidate) {
    for (const SlotsOnHost& share : candidates_[candidate].slots)
      given_[share.host].push_back({candidate, share.slots});
    Recount(candidate);
  }
  void TakeBack(std::size_t candidate) {
    for (const SlotsOnHost& share : candidates_[candidate].slots)
      std::erase_if(given_[share.host], [&](const Given& given) { return given.candidate == candidate; });
    Recount(candidate);
  }

 private:
  struct Given {
    std::size_t candidate = 0;
    std::uint32_t slots = 0;
  };

  void Recount(std::size_t candidate) {
    for (const SlotsOnHost& share : candidates_[candidate].slots) {
      ranks_ -= rooms_[share.host].ranks;
      rooms_[share.host] = RoomOn(share.host, std::nullopt);
      ranks_ += rooms_[share.host].ranks;
    }
  }

  Room RoomOn(std::uint32_t host, std::optional<std::size_t> also) const {
    std::int64_t least = std::numeric_limits<std::int64_t>::max();
    const std::span<const SlotProfile::Step> steps = profile_.StepsOf(host);
    for (std::size_t i = 0; i < steps.size() && steps[i].at < to_; ++i) {
      if (i + 1 < steps.size() && steps[i + 1].at <= from_) continue;
      const UnixMs at = std::max(steps[i].at, from_);
      std::int64_t free = steps[i].free;
      for (const Given& given : given_[host]) {
        if (candidates_[given.candidate].end_ms > at) free += given.slots;
      }
      if (also && candidates_[*also].end_ms > at) {
        for (const SlotsOnHost& share : candidates_[*also].slots) {
          if (share.host == host) free += share.slots;
        }
      }
      least = std::min(least, free);
    }
    return {RanksIn(least, gang_.slots_per_rank), least};
  }

  const SlotProfile& profile_;
  const std::span<const Candidate> candidates_;
  const GangShape gang_;
  const UnixMs from_;
  const UnixMs to_;
  std::vector<std::vector<Given>> given_;  // by host
  std::vector<Room> rooms_;                // by host
  std::int64_t ranks_ = 0;
};

// Returns the chosen candidates without which there would not be enough room, the one to spare first first. `chosen` is
// in the order in which candidates are spared. All of them have given their slots.
std::vector<std::size_t> DropNeedless(RoomWithout& room, const std::vector<std::size_t>& chosen) {
  std::vector<std::size_t> victims;
  for (const std::size_t i : chosen) {
    room.TakeBack(i);
    if (room.Holds()) continue;
    room.Give(i);
    victims.push_back(i);
  }
  return victims;
}

}  // namespace

std::vector<std::size_t> ChooseVictims(const SlotProfile& profile, std::span<const Candidate> candidates,
                                       const GangShape& gang, UnixMs from, UnixMs to) {
  if (!RoomWithout(profile, candidates, gang, from, to, /*all_given=*/true).Holds()) return {};
  RoomWithout room(profile, candidates, gang, from, to, /*all_given=*/false);

  // Orders candidates that help equally: the least goes first.
  const auto worth = [&](std::size_t i) {
    const Candidate& candidate = candidates[i];
    return std::tuple(candidate.priority, -candidate.started_ms, ~candidate.id);
  };
  std::vector<std::size_t> left(candidates.size());
  std::vector<Room> gains(candidates.size());
  std::vector<std::vector<std::size_t>> on_host(profile.host_count());
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    left[i] = i;
    gains[i] = room.Gain(i);
    for (const SlotsOnHost& share : candidates[i].slots) on_host[share.host].push_back(i);
  }
  std::ranges::sort(left, {}, worth);
  std::vector<std::size_t> chosen;
  while (!room.Holds()) {
    // Ranks beyond the missing ones are of no use. Slots count only while no candidate adds a whole rank.
    const auto offer = [&, missing = room.missing()](std::size_t i) {
      return std::pair(std::min(gains[i].ranks, missing), gains[i].ranks > 0 ? 0 : gains[i].slots);
    };
    const auto best = std::ranges::max_element(left, {}, offer);  // the first of equals
    const std::size_t victim = *best;
    left.erase(best);
    chosen.push_back(victim);
    room.Give(victim);
    for (const SlotsOnHost& share : candidates[victim].slots) {
      for (const std::size_t i : on_host[share.host]) gains[i] = room.Gain(i);
    }
  }

  std::ranges::sort(chosen, std::greater(), worth);  // the ones worth most are spared first
  return DropNeedless(room, chosen);
}

}  // namespace still::coordinator
