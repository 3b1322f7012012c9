#include "coordinator/scheduler/slot_profile.h"

#include <algorithm>
#include <limits>

#include "common/check.h"

namespace still::coordinator {
namespace {

using cluster::GangShape;
using Step = SlotProfile::Step;

// Returns the index of the step that begins at `at`, and inserts it when there is none.
std::size_t StepAt(std::vector<Step>& steps, UnixMs at) {
  const auto next = std::ranges::upper_bound(steps, at, {}, &Step::at);
  const auto index = static_cast<std::size_t>(next - steps.begin());
  if (steps[index - 1].at == at) return index - 1;
  steps.insert(next, {at, steps[index - 1].free});
  return index;
}

// Counts how many ranks fit throughout a stretch of time whose start moves on. A host is counted again only when the
// stretch has left one of its steps or reached another.
class MovingRoom {
 public:
  MovingRoom(const std::vector<std::vector<Step>>& steps, const GangShape& gang, std::int64_t duration_ms)
      : steps_(steps), gang_(gang), duration_ms_(duration_ms) {}

  bool HoldsFrom(UnixMs start) {
    rooms_.resize(steps_.size());
    for (std::size_t host = 0; host < rooms_.size(); ++host) {
      if (start < rooms_[host].until) continue;
      ranks_ -= rooms_[host].ranks;
      rooms_[host] = RoomOf(steps_[host], start);
      ranks_ += rooms_[host].ranks;
    }
    return ranks_ >= gang_.ranks;
  }

 private:
  struct Room {
    std::int64_t ranks = 0;
    UnixMs until = std::numeric_limits<UnixMs>::min();  // the same for every start before this
  };

  Room RoomOf(const std::vector<Step>& steps, UnixMs start) const {
    auto step = std::ranges::upper_bound(steps, start, {}, &Step::at);
    std::int64_t least = (step - 1)->free;
    UnixMs until = step == steps.end() ? std::numeric_limits<UnixMs>::max() : step->at;
    for (; step != steps.end() && step->at < start + duration_ms_; ++step) least = std::min(least, step->free);
    if (step != steps.end()) until = std::min(until, step->at - duration_ms_ + 1);
    return {RanksIn(least, gang_.slots_per_rank), until};
  }

  const std::vector<std::vector<Step>>& steps_;
  const GangShape gang_;
  const std::int64_t duration_ms_;
  std::vector<Room> rooms_;  // by host
  std::int64_t ranks_ = 0;
};

}  // namespace

SlotProfile::SlotProfile(const std::vector<cluster::HostSlots>& hosts, UnixMs now) : times_{now} {
  steps_.reserve(hosts.size());
  for (const cluster::HostSlots& host : hosts) steps_.push_back({{now, host.open ? host.slots : 0}});
}

void SlotProfile::Change(std::span<const SlotsOnHost> slots, UnixMs from, UnixMs to, std::int64_t sign) {
  STILL_CHECK(from >= times_.front() && to > from, "slots are taken from now on, and for a while");
  InsertTime(from);
  InsertTime(to);
  for (const auto& [host, count] : slots) {
    std::vector<Step>& steps = steps_[host];
    const std::size_t first = StepAt(steps, from);
    const std::size_t last = StepAt(steps, to);
    std::size_t begin = IndexOf(from);
    for (std::size_t i = first; i < last; ++i) {
      const std::int64_t before = steps[i].free;
      steps[i].free += sign * count;
      if (lines_.empty()) continue;
      const std::size_t end = IndexOf(steps[i + 1].at);
      for (auto& [width, line] : lines_) {
        const std::int64_t won = RanksIn(steps[i].free, width) - RanksIn(before, width);
        if (won == 0) continue;
        for (std::size_t k = begin; k < end; ++k) line[k] += won;
      }
      begin = end;
    }
  }
}

std::optional<UnixMs> SlotProfile::EarliestStart(const GangShape& gang, std::int64_t duration_ms, UnixMs not_before) {
  const Line& line = LineOf(gang.slots_per_rank);
  MovingRoom room(steps_, gang, duration_ms);
  std::size_t ahead = 0;  // the line holds the gang from the tried start until before this
  for (std::size_t i = IndexOf(not_before); i < times_.size(); ++i) {
    const UnixMs start = std::max(times_[i], not_before);
    const UnixMs end = start + duration_ms;
    ahead = std::max(ahead, i);
    while (ahead < times_.size() && times_[ahead] < end && line[ahead] >= gang.ranks) ++ahead;
    if (ahead < times_.size() && times_[ahead] < end) {
      i = ahead;  // too few slots at that time: no start before it will do
    } else if (room.HoldsFrom(start)) {
      return start;
    }
  }
  return std::nullopt;
}

bool SlotProfile::FitsNow(const GangShape& gang, std::int64_t duration_ms) {
  const UnixMs end = times_.front() + duration_ms;
  const Line& line = LineOf(gang.slots_per_rank);
  for (std::size_t i = 0; i < times_.size() && times_[i] < end; ++i) {
    if (line[i] < gang.ranks) return false;
  }
  return MovingRoom(steps_, gang, duration_ms).HoldsFrom(times_.front());
}

std::vector<SlotsOnHost> SlotProfile::FirstFit(const GangShape& gang, UnixMs from, UnixMs to) const {
  std::vector<SlotsOnHost> chosen;
  std::int64_t left = gang.ranks;
  for (std::uint32_t host = 0; host < steps_.size() && left > 0; ++host) {
    const std::int64_t ranks = std::min(left, RanksIn(LeastFreeOf(host, from, to), gang.slots_per_rank));
    if (ranks == 0) continue;
    chosen.push_back({host, static_cast<std::uint32_t>(ranks) * gang.slots_per_rank});
    left -= ranks;
  }
  STILL_CHECK(left == 0, "the gang fits");
  return chosen;
}

std::vector<std::uint32_t> SlotProfile::LeastFree(UnixMs from, UnixMs to) const {
  std::vector<std::uint32_t> free(steps_.size());
  for (std::uint32_t host = 0; host < steps_.size(); ++host) {
    free[host] = static_cast<std::uint32_t>(std::max<std::int64_t>(0, LeastFreeOf(host, from, to)));
  }
  return free;
}

SlotProfile::Line& SlotProfile::LineOf(std::uint32_t slots_per_rank) {
  const auto [entry, fresh] = lines_.try_emplace(slots_per_rank);
  Line& line = entry->second;
  if (!fresh) return line;
  line.resize(times_.size());  // as differences at first
  for (const std::vector<Step>& steps : steps_) {
    std::int64_t before = 0;
    for (const Step& step : steps) {
      const std::int64_t ranks = RanksIn(step.free, slots_per_rank);
      if (ranks != before) line[IndexOf(step.at)] += ranks - before;
      before = ranks;
    }
  }
  for (std::size_t i = 1; i < line.size(); ++i) line[i] += line[i - 1];
  return line;
}

std::size_t SlotProfile::IndexOf(UnixMs at) const {
  return static_cast<std::size_t>(std::ranges::upper_bound(times_, at) - times_.begin()) - 1;
}

void SlotProfile::InsertTime(UnixMs at) {
  const std::size_t before = IndexOf(at);
  if (times_[before] == at) return;
  const auto offset = static_cast<std::ptrdiff_t>(before) + 1;
  times_.insert(times_.begin() + offset, at);
  for (auto& [width, line] : lines_) line.insert(line.begin() + offset, line[before]);
}

std::int64_t SlotProfile::LeastFreeOf(std::uint32_t host, UnixMs from, UnixMs to) const {
  const std::vector<Step>& steps = steps_[host];
  auto step = std::ranges::upper_bound(steps, from, {}, &Step::at) - 1;
  std::int64_t least = step->free;
  for (++step; step != steps.end() && step->at < to; ++step) least = std::min(least, step->free);
  return least;
}

}  // namespace still::coordinator
