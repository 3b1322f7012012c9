#include "coordinator/core/preemption.h"

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

// How many ranks fit, with the slots of some candidates given back.
class RoomWithout {
 public:
  RoomWithout(const SlotProfile& profile, std::span<const Candidate> candidates, const GangShape& gang, UnixMs from,
              UnixMs to)
      : profile_(profile), candidates_(candidates), gang_(gang), from_(from), to_(to) {
    given_.resize(profile.host_count());
    rooms_.reserve(given_.size());
    for (std::uint32_t host = 0; host < given_.size(); ++host) {
      rooms_.push_back(RoomOn(host, std::nullopt));
      ranks_ += rooms_.back().ranks;
    }
  }

  bool Holds() const { return ranks_ >= gang_.ranks; }
  std::int64_t missing() const { return gang_.ranks - ranks_; }

  // What that one would add.
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

}  // namespace

std::vector<std::size_t> ChooseVictims(const SlotProfile& profile, std::span<const Candidate> candidates,
                                       const GangShape& gang, UnixMs from, UnixMs to) {
  RoomWithout room(profile, candidates, gang, from, to);
  for (std::size_t i = 0; i < candidates.size(); ++i) room.Give(i);
  if (!room.Holds()) return {};
  for (std::size_t i = 0; i < candidates.size(); ++i) room.TakeBack(i);

  // The order in which equals go.
  const auto worth = [&](std::size_t i) {
    return std::tuple(candidates[i].priority, -candidates[i].started_ms,
                      std::numeric_limits<std::uint64_t>::max() - candidates[i].id);
  };
  std::vector<std::size_t> left(candidates.size());
  for (std::size_t i = 0; i < left.size(); ++i) left[i] = i;
  std::ranges::sort(left, {}, worth);
  std::vector<std::size_t> chosen;
  while (!room.Holds()) {
    auto best = left.begin();
    auto best_gain = std::pair<std::int64_t, std::int64_t>(-1, -1);
    for (auto i = left.begin(); i != left.end(); ++i) {
      const Room gain = room.Gain(*i);
      // Ranks beyond those that are missing help nobody; slots count only while no candidate adds a whole rank.
      const std::pair offer(std::min(gain.ranks, room.missing()), gain.ranks > 0 ? 0 : gain.slots);
      if (offer > best_gain) {
        best = i;
        best_gain = offer;
      }
    }
    room.Give(*best);
    chosen.push_back(*best);
    left.erase(best);
  }

  std::ranges::sort(chosen, std::greater(), worth);  // those worth most are spared first
  std::vector<std::size_t> victims;
  for (const std::size_t i : chosen) {
    room.TakeBack(i);
    if (room.Holds()) continue;
    room.Give(i);
    victims.push_back(i);
  }
  std::ranges::sort(victims);
  return victims;
}

}  // namespace still::coordinator
