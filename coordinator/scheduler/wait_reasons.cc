#include "coordinator/scheduler/wait_reasons.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "common/duration_text.h"

namespace still::coordinator {
namespace {

using cluster::GangShape;

constexpr std::size_t kMostNames = 4;  // of hosts or jobs in one text

std::string Counted(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

// Returns "needs 8 slots (4 ranks x 2)".
std::string NeedText(const GangShape& gang) {
  const std::uint64_t slots = std::uint64_t{gang.ranks} * gang.slots_per_rank;
  return fmt::format("needs {} ({} x {})", Counted(slots, "slot"), Counted(gang.ranks, "rank"), gang.slots_per_rank);
}

// Returns "a, b and 3 more".
std::string ListText(const std::vector<std::string>& names) {
  if (names.size() == 1) return names.front();
  const std::size_t shown = names.size() <= kMostNames ? names.size() - 1 : kMostNames;
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(shown);
  return fmt::format("{} and {}", fmt::join(names.begin(), end, ", "),
                     names.size() - shown == 1 ? names.back() : fmt::format("{} more", names.size() - shown));
}

std::string PreemptingText(const std::vector<std::uint64_t>& victims) {
  std::vector<std::string> names;
  for (const std::uint64_t victim : victims) names.push_back(fmt::format("job {}", victim));
  return fmt::format("{} {} way for it", ListText(names), victims.size() == 1 ? "makes" : "make");
}

}  // namespace

WaitReasons::WaitReasons(UnixMs now, const std::vector<cluster::HostSlots>& hosts,
                         const std::vector<std::uint32_t>& free, const SchedulerOptions& options)
    : now_(now), hosts_(hosts), free_(free), options_(options) {
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    if (!hosts[i].open || free[i] == 0) continue;
    free_slots_ += free[i];
    ++free_hosts_;
  }
}

std::vector<Reason> WaitReasons::Of(const WaitFacts& facts) const {
  if (facts.fit == WaitFacts::Fit::kNever) return {{v1::WAIT_REASON_NEVER_FITS, NeverText(facts.gang)}};
  if (facts.fit == WaitFacts::Fit::kNotOnOpenHosts) return {{v1::WAIT_REASON_HOSTS_DRAINED, DrainedText(facts.gang)}};

  std::vector<Reason> reasons;
  if (!facts.victims.empty()) reasons.push_back({v1::WAIT_REASON_PREEMPTING, PreemptingText(facts.victims)});
  if (facts.ranks_now < facts.gang.ranks) {
    reasons.push_back({v1::WAIT_REASON_SLOTS, SlotsText(facts)});
    std::int64_t closed_ranks = 0;
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
      if (!hosts_[i].open) closed_ranks += free_[i] / facts.gang.slots_per_rank;
    }
    if (facts.ranks_now + closed_ranks >= facts.gang.ranks)
      reasons.push_back(
          {v1::WAIT_REASON_HOSTS_DRAINED, "would fit now, were these hosts open: " + ClosedText(facts.gang, true)});
  } else {
    reasons.push_back({v1::WAIT_REASON_RESERVED, ReservedText(facts)});
  }
  if (facts.ahead > 0) reasons.push_back({v1::WAIT_REASON_AHEAD, AheadText(facts)});
  if (!facts.slots_kept) {
    reasons.push_back(
        {v1::WAIT_REASON_DEPTH,
         facts.predicted_start_ms == 0
             ? fmt::format("no start is predicted for it: only the first {} get a prediction",
                           Counted(std::uint64_t{options_.reservations} + options_.predictions, "waiting job"))
             : fmt::format("jobs behind it may start first and delay it: slots are kept only for the first {}",
                           Counted(options_.reservations, "waiting job"))});
  }
  return reasons;
}

std::string WaitReasons::NeverText(const GangShape& gang) const {
  if (gang.ranks == 0 || gang.slots_per_rank == 0) return "asks for no slots at all";
  if (hosts_.empty()) return NeedText(gang) + ", and there is no host";
  std::uint64_t ranks = 0;
  std::uint32_t largest = 0;
  for (const cluster::HostSlots& host : hosts_) {
    ranks += host.slots / gang.slots_per_rank;
    largest = std::max(largest, host.slots);
  }
  if (ranks == 0) {
    return fmt::format("{}, and no host has the {} of one rank; the largest has {}", NeedText(gang),
                       Counted(gang.slots_per_rank, "slot"), largest);
  }
  return fmt::format("{}, and all hosts together hold only {} of this width", NeedText(gang), Counted(ranks, "rank"));
}

std::string WaitReasons::DrainedText(const GangShape& gang) const {
  std::uint64_t ranks = 0;
  for (const cluster::HostSlots& host : hosts_) ranks += host.open ? host.slots / gang.slots_per_rank : 0;
  return fmt::format("{}, and the open hosts hold only {} of this width; closed: {}", NeedText(gang),
                     Counted(ranks, "rank"), ClosedText(gang, false));
}

std::string WaitReasons::SlotsText(const WaitFacts& facts) const {
  const std::uint64_t needed = std::uint64_t{facts.gang.ranks} * facts.gang.slots_per_rank;
  std::string text = NeedText(facts.gang);
  if (free_slots_ == 0) {
    text += ", none is free";
  } else {
    text +=
        fmt::format(", {} {} free on {}", free_slots_, free_slots_ == 1 ? "is" : "are", Counted(free_hosts_, "host"));
    if (free_slots_ >= needed)
      text += fmt::format(", but not enough of them together: room for {}",
                          Counted(static_cast<std::uint64_t>(facts.ranks_now), "rank"));
  }
  if (facts.predicted_start_ms == 0) return text;
  if (facts.room_maker && facts.room_maker->unlimited != 0)
    return text + fmt::format("; when it starts is unknown: it waits behind job {}, which has no time limit",
                              facts.room_maker->unlimited);
  text += fmt::format("; expected to start {}", InText(facts.predicted_start_ms));
  if (facts.room_maker) {
    text += fmt::format(", when job {} {}", facts.room_maker->id, facts.room_maker->leaving ? "has made way" : "ends");
  }
  return text;
}

std::string WaitReasons::ReservedText(const WaitFacts& facts) const {
  const bool guessed = facts.room_maker && facts.room_maker->unlimited != 0;
  const std::string predicted = facts.predicted_start_ms == 0 || guessed
                                    ? ""
                                    : fmt::format("; expected to start {}", InText(facts.predicted_start_ms));
  if (!facts.first_ahead) return "its slots are free" + predicted;
  return fmt::format("{}, which are free, but it would not be done before they are needed by {} ahead of it{}",
                     NeedText(facts.gang), facts.ahead == 1 ? fmt::format("job {}", facts.first_ahead->id) : "jobs",
                     predicted);
}

std::string WaitReasons::AheadText(const WaitFacts& facts) const {
  const bool known = facts.first_ahead && !facts.first_ahead->guessed;
  const std::string start = known ? ", expected to start " + InText(facts.first_ahead->start_ms) : "";
  if (facts.ahead == 1 && facts.first_ahead)
    return fmt::format("job {} is ahead of it{}", facts.first_ahead->id, start);
  std::string text = fmt::format("{} {} ahead of it", Counted(facts.ahead, "job"), facts.ahead == 1 ? "is" : "are");
  if (facts.first_ahead) {
    text += fmt::format("; the first to start is job {}{}", facts.first_ahead->id, start);
  }
  return text;
}

std::string WaitReasons::ClosedText(const GangShape& gang, bool now) const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    const cluster::HostSlots& host = hosts_[i];
    if (host.open || (now ? free_[i] : host.slots) < gang.slots_per_rank) continue;
    names.push_back(host.closed_because.empty() ? host.name : fmt::format("{} ({})", host.name, host.closed_because));
  }
  return ListText(names);
}

std::string WaitReasons::InText(UnixMs at) const { return at <= now_ ? "at once" : "in " + DurationText(at - now_); }

}  // namespace still::coordinator
