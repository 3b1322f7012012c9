#include "coordinator/scheduler/waits.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_map>

#include "common/counted_text.h"
#include "common/duration_text.h"

namespace still::coordinator {
namespace {

using cluster::GangShape;

constexpr std::size_t kMostNames = 4;  // of hosts or jobs in one text

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

// The facts that the plan holds about one waiting job.
struct WaitFacts {
  enum class Fit { kSomeday, kNotOnOpenHosts, kNever };
  struct Other {
    std::uint64_t id = 0;
    UnixMs start_ms = 0;
    bool guessed = false;
  };
  struct RoomMaker {
    std::uint64_t id = 0;
    bool leaving = false;
    // The job without a time limit that makes this end unknown: itself or one that it waits for. 0: none.
    std::uint64_t unlimited = 0;
  };

  cluster::GangShape gang;
  Fit fit = Fit::kSomeday;
  UnixMs predicted_start_ms = 0;     // 0: not predicted
  bool slots_kept = false;           // slots are kept for it: no job behind it delays that start
  std::int64_t ranks_now = 0;        // how many ranks the free slots would hold
  std::uint32_t ahead = 0;           // waiting jobs that may start before it
  std::optional<Other> first_ahead;  // the next of them to start
  std::optional<RoomMaker> room_maker;
  std::vector<std::uint64_t> victims;
};

// Makes the reasons from the facts of a plan, and their texts for people.
class WaitReasons {
 public:
  // `free` has the free slots of each host, closed hosts too. The three references must outlive this object.
  WaitReasons(UnixMs now, const std::vector<cluster::HostSlots>& hosts, const std::vector<std::uint32_t>& free,
              const SchedulerOptions& options);

  // Returns all reasons, the weightiest first.
  std::vector<Reason> Of(const WaitFacts& facts) const;

 private:
  std::string NeverText(const cluster::GangShape& gang) const;
  std::string DrainedText(const cluster::GangShape& gang) const;
  std::string SlotsText(const WaitFacts& facts) const;
  std::string ReservedText(const WaitFacts& facts) const;
  std::string AheadText(const WaitFacts& facts) const;
  // Returns the closed hosts that would hold a rank, now or when empty: "b (disk swap), c (...) and 3 more".
  std::string ClosedText(const cluster::GangShape& gang, bool now) const;
  // Returns "in 4 min 5 s", or "at once".
  std::string InText(UnixMs at) const;

  const UnixMs now_;
  const std::vector<cluster::HostSlots>& hosts_;
  const std::vector<std::uint32_t>& free_;
  const SchedulerOptions& options_;
  std::uint64_t free_slots_ = 0;  // of open hosts
  std::uint32_t free_hosts_ = 0;
};

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

// Goes through a plan in queue order and builds the wait of each job.
class WaitsBuilder {
 public:
  explicit WaitsBuilder(const Decided& decided) : decided_(decided) {
    for (const cluster::HostSlots& host : decided_.hosts) free_.push_back(host.slots);
    for (const Occupant& occupant : decided_.occupants) Occupy(occupant.slots);
    for (const JobPlan& plan : decided_.plans) {
      if (plan.fate == JobPlan::Fate::kStarts) Occupy(plan.slots);
    }
  }

  std::map<std::uint64_t, Wait> Build() {
    const WaitReasons reasons(decided_.now, decided_.hosts, free_, decided_.options);
    std::map<std::uint64_t, Wait> waits;
    std::uint32_t position = 0;
    std::uint32_t ahead = 0;
    std::optional<WaitFacts::Other> first_ahead;
    for (const JobPlan& plan : decided_.plans) {
      if (plan.job->duration_ms <= 0) unlimited_[plan.job->id] = plan.job->id;
      if (plan.fate == JobPlan::Fate::kStarts) continue;
      WaitFacts facts = FactsOf(plan);
      const std::uint64_t unlimited = facts.room_maker ? facts.room_maker->unlimited : 0;
      unlimited_.try_emplace(plan.job->id, unlimited);
      facts.ahead = ahead;
      facts.first_ahead = first_ahead;
      waits[plan.job->id] = {++position, facts.predicted_start_ms, reasons.Of(facts), unlimited, facts.slots_kept};
      if (facts.fit != WaitFacts::Fit::kSomeday) continue;
      ++ahead;
      if (facts.predicted_start_ms > 0 && (!first_ahead || plan.start_ms < first_ahead->start_ms))
        first_ahead = {plan.job->id, plan.start_ms, unlimited != 0};
    }
    return waits;
  }

 private:
  void Occupy(const std::vector<SlotsOnHost>& slots) {
    for (const auto& [host, count] : slots) free_[host] -= std::min(free_[host], count);
  }

  WaitFacts FactsOf(const JobPlan& plan) {
    WaitFacts facts{.gang = plan.job->gang, .victims = plan.victims};
    if (plan.fate == JobPlan::Fate::kNeverFits) {
      facts.fit = WaitFacts::Fit::kNever;
    } else if (plan.fate == JobPlan::Fate::kNotOnOpenHosts) {
      facts.fit = WaitFacts::Fit::kNotOnOpenHosts;
    } else {
      facts.ranks_now = RanksNow(plan.job->gang.slots_per_rank);
      facts.predicted_start_ms = plan.start_ms;
      facts.slots_kept = plan.fate == JobPlan::Fate::kReserved;
      if (plan.start_ms > 0) facts.room_maker = RoomMakerOf(plan);
    }
    return facts;
  }

  std::int64_t RanksNow(std::uint32_t slots_per_rank) {
    const auto [ranks, fresh] = ranks_now_.try_emplace(slots_per_rank, 0);
    for (std::size_t i = 0; fresh && i < free_.size(); ++i) {
      if (decided_.hosts[i].open) ranks->second += RanksIn(free_[i], slots_per_rank);
    }
    return ranks->second;
  }

  // Returns the job whose end the start waits for: one that ends at that time on one of its hosts.
  std::optional<WaitFacts::RoomMaker> RoomMakerOf(const JobPlan& plan) const {
    const auto shares_host = [&](const std::vector<SlotsOnHost>& slots) {
      return std::ranges::find_first_of(slots, plan.slots, {}, &SlotsOnHost::host, &SlotsOnHost::host) != slots.end();
    };
    std::optional<WaitFacts::RoomMaker> maker;
    const auto offer = [&](std::uint64_t id, bool leaving, std::uint64_t unlimited) {
      if (!maker || id < maker->id) maker = {id, leaving, unlimited};
    };
    for (const Occupant& occupant : decided_.occupants) {
      if (occupant.end_ms != plan.start_ms || !shares_host(occupant.slots)) continue;
      const bool limited = occupant.job->duration_ms > 0 || occupant.leaving;
      offer(occupant.job->id, occupant.leaving, limited ? 0 : occupant.job->id);
    }
    if (maker) return maker;
    for (const JobPlan& other : decided_.plans) {
      if (other.slots.empty() || other.end_ms() != plan.start_ms || !shares_host(other.slots)) continue;
      const auto behind = unlimited_.find(other.job->id);
      offer(other.job->id, false, behind == unlimited_.end() ? 0 : behind->second);
    }
    return maker;
  }

  const Decided& decided_;
  std::vector<std::uint32_t> free_;                             // by host, closed ones too
  std::map<std::uint32_t, std::int64_t> ranks_now_;             // ranks that fit now, by slots per rank
  std::unordered_map<std::uint64_t, std::uint64_t> unlimited_;  // by job: the job that makes its end a guess, or 0
};

}  // namespace

std::map<std::uint64_t, Wait> WaitsOf(const Decided& decided) { return WaitsBuilder(decided).Build(); }

}  // namespace still::coordinator
