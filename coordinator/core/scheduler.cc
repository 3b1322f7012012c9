#include "coordinator/core/scheduler.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <tuple>
#include <unordered_map>

#include "common/check.h"
#include "coordinator/core/preemption.h"
#include "coordinator/core/slot_profile.h"
#include "coordinator/core/wait_reasons.h"

namespace still::coordinator {
namespace {

using cluster::GangShape;
using cluster::HostSlots;

// Of a job that has been told to leave, or whose time is up: how much longer it is expected to have its slots.
constexpr std::int64_t kLeavingMs = 30'000;
constexpr std::int64_t kLongestMs = 100LL * 365 * 86'400'000;  // keeps sums of times within their type
constexpr std::int64_t kSlowestAgeingMs = 4'000'000'000;       // a point in 46 days; times any priority fits 63 bits

// Where a job stands in the queue: the least goes first. Priority plus waiting time / ageing, times ageing, less what
// is the same for all: now.
using QueueKey = std::tuple<std::int64_t, UnixMs, std::uint64_t>;

QueueKey KeyOf(std::int32_t priority, UnixMs submitted, std::uint64_t id, const SchedulerOptions& options) {
  if (options.ageing_ms_per_point <= 0) return {-std::int64_t{priority}, submitted, id};
  return {submitted - priority * std::min(options.ageing_ms_per_point, kSlowestAgeingMs), submitted, id};
}

std::int64_t DurationOf(std::int64_t expected_ms, const SchedulerOptions& options) {
  return std::clamp<std::int64_t>(expected_ms > 0 ? expected_ms : options.default_duration_ms, 1, kLongestMs);
}

// A job without a limit that has run for longer than expected is expected to run as long again.
UnixMs ExpectedEnd(const RunningJob& job, UnixMs now, const SchedulerOptions& options) {
  std::int64_t duration = DurationOf(job.duration_ms, options);
  if (job.duration_ms <= 0) {
    while (duration < kLongestMs && job.started_ms + duration <= now) duration *= 2;
  }
  const UnixMs end = job.started_ms + duration;
  return end <= now ? now + kLeavingMs : job.leaving ? std::min(end, now + kLeavingMs) : end;
}

struct Occupant {
  const RunningJob* job = nullptr;
  std::vector<SlotsOnHost> slots;
  UnixMs end_ms = 0;
  bool leaving = false;
};

struct Plan {
  enum class Fate { kStarts, kReserved, kBehind, kNotOnOpenHosts, kNeverFits };

  const QueuedJob* job = nullptr;
  std::int64_t duration_ms = 0;
  Fate fate = Fate::kBehind;
  UnixMs start_ms = 0;  // of kStarts and kReserved, with `slots`
  std::vector<SlotsOnHost> slots;
  std::vector<std::uint64_t> victims;

  UnixMs end_ms() const { return start_ms + duration_ms; }
};

// One decision. Goes once through the queue; `profile_` is what runs and all that is planned so far.
class Planner {
 public:
  explicit Planner(const SchedulerInput& input)
      : options_(input.options),
        now_(input.now_ms),
        soon_(now_ + kLeavingMs),
        hosts_(*input.hosts),
        profile_(hosts_, now_) {
    for (std::uint32_t i = 0; i < hosts_.size(); ++i) index_of_.emplace(hosts_[i].name, i);
    for (const RunningJob& job : input.running) {
      occupants_.push_back({.job = &job,
                            .slots = SlotsOf(job.placement, job.gang.slots_per_rank),
                            .end_ms = ExpectedEnd(job, now_, options_),
                            .leaving = job.leaving});
    }
    profile_ = ProfileOfOccupants();
  }

  SchedulerOutput Run(const std::vector<QueuedJob>& queued) {
    std::vector<const QueuedJob*> order;
    for (const QueuedJob& job : queued) order.push_back(&job);
    std::ranges::sort(order, {}, [&](const QueuedJob* job) { return Key(*job); });
    plans_.reserve(order.size());
    for (const QueuedJob* job : order) plans_.push_back(PlanOf(*job));
    DescribeWaits();
    return std::move(output_);
  }

 private:
  struct Capacity {
    std::int64_t ranks = 0;
    std::int64_t on_open_hosts = 0;
  };
  struct Replan {
    SlotProfile profile;
    std::vector<Plan> plans;
  };
  // A start that was searched for: whoever needs no less and for no less time finds none before it, since what is
  // planned only takes.
  struct Found {
    GangShape gang;
    std::int64_t duration_ms = 0;
    UnixMs start_ms = 0;
  };

  QueueKey Key(const QueuedJob& job) const { return KeyOf(job.priority, job.submitted_ms, job.id, options_); }

  // Hosts that are no longer in the inventory have no slots to be taken.
  std::vector<SlotsOnHost> SlotsOf(const cluster::Placement& placement, std::uint32_t slots_per_rank) const {
    std::vector<SlotsOnHost> slots;
    for (const cluster::HostShare& share : placement) {
      const auto found = index_of_.find(share.host);
      if (found != index_of_.end()) slots.push_back({found->second, share.ranks * slots_per_rank});
    }
    return slots;
  }

  SlotProfile ProfileOfOccupants() const {
    SlotProfile profile(hosts_, now_);
    for (const Occupant& occupant : occupants_) profile.Take(occupant.slots, now_, occupant.end_ms);
    return profile;
  }

  const Capacity& CapacityFor(std::uint32_t slots_per_rank) {
    const auto [entry, fresh] = capacities_.try_emplace(slots_per_rank);
    if (fresh) {
      for (const HostSlots& host : hosts_) {
        entry->second.ranks += RanksIn(host.slots, slots_per_rank);
        if (host.open) entry->second.on_open_hosts += RanksIn(host.slots, slots_per_rank);
      }
    }
    return entry->second;
  }

  Plan PlanOf(const QueuedJob& job) {
    Plan plan{.job = &job, .duration_ms = DurationOf(job.duration_ms, options_)};
    const bool asks = job.gang.ranks > 0 && job.gang.slots_per_rank > 0;
    if (!asks || CapacityFor(job.gang.slots_per_rank).ranks < job.gang.ranks) {
      plan.fate = Plan::Fate::kNeverFits;
    } else if (CapacityFor(job.gang.slots_per_rank).on_open_hosts < job.gang.ranks) {
      plan.fate = Plan::Fate::kNotOnOpenHosts;
    } else if (reserved_ >= options_.reservations) {
      if (NotBefore(plan) == now_ && profile_.FitsNow(job.gang, plan.duration_ms)) StartNow(plan);
    } else {
      const UnixMs start = EarliestStart(profile_, plan, NotBefore(plan));
      found_.push_back({job.gang, plan.duration_ms, start});
      if (start == now_) {
        StartNow(plan);
      } else {
        ++reserved_;
        if (start <= soon_ || !MakeWay(plan)) Reserve(profile_, plan, start);
      }
    }
    return plan;
  }

  UnixMs NotBefore(const Plan& plan) const {
    UnixMs not_before = now_;
    for (const Found& found : found_) {
      if (found.gang.ranks <= plan.job->gang.ranks && found.gang.slots_per_rank <= plan.job->gang.slots_per_rank &&
          found.duration_ms <= plan.duration_ms)
        not_before = std::max(not_before, found.start_ms);
    }
    return not_before;
  }

  static UnixMs EarliestStart(SlotProfile& profile, const Plan& plan, UnixMs not_before) {
    const auto start = profile.EarliestStart(plan.job->gang, plan.duration_ms, not_before);
    STILL_CHECK(start.has_value(), "once all that is planned has ended, the open hosts are empty");
    return *start;
  }

  static void Reserve(SlotProfile& profile, Plan& plan, UnixMs start) {
    plan.fate = Plan::Fate::kReserved;
    plan.start_ms = start;
    plan.slots = profile.FirstFit(plan.job->gang, start, plan.end_ms());
    profile.Take(plan.slots, start, plan.end_ms());
  }

  void StartNow(Plan& plan) {
    plan.fate = Plan::Fate::kStarts;
    plan.start_ms = now_;
    auto placement = cluster::Place(hosts_, profile_.LeastFree(now_, plan.end_ms()), plan.job->gang);
    STILL_CHECK(placement.has_value(), "the gang fits now");
    plan.slots = SlotsOf(*placement, plan.job->gang.slots_per_rank);
    profile_.Take(plan.slots, now_, plan.end_ms());
    output_.starts.push_back({plan.job->id, *std::move(placement)});
  }

  // Chooses who leaves for this job and reserves their slots for it; false when nobody is to.
  bool MakeWay(Plan& plan) {
    std::vector<Candidate> candidates;
    std::vector<std::size_t> occupant_of;
    for (std::size_t i = 0; i < occupants_.size(); ++i) {
      if (!GivesWay(occupants_[i], *plan.job)) continue;
      const RunningJob& job = *occupants_[i].job;
      candidates.push_back({job.id, job.priority, job.started_ms, occupants_[i].end_ms, occupants_[i].slots});
      occupant_of.push_back(i);
    }
    if (candidates.empty()) return false;
    const std::vector<std::size_t> chosen =
        ChooseVictims(profile_, candidates, plan.job->gang, soon_, soon_ + plan.duration_ms);
    if (chosen.empty()) return false;

    const std::vector<Occupant> before = occupants_;
    for (const std::size_t i : chosen) {
      Occupant& victim = occupants_[occupant_of[i]];
      victim.end_ms = std::min(victim.end_ms, soon_);
      victim.leaving = true;
      plan.victims.push_back(victim.job->id);
    }
    std::optional<Replan> replan = ReplanWith(plan);
    if (!replan) {
      occupants_ = before;
      plan.victims.clear();
      return false;
    }
    profile_ = std::move(replan->profile);
    plans_ = std::move(replan->plans);
    found_.clear();
    std::ranges::sort(plan.victims);
    for (const std::uint64_t victim : plan.victims) output_.preemptions.push_back({victim, plan.job->id});
    return true;
  }

  bool GivesWay(const Occupant& occupant, const QueuedJob& to) const {
    const RunningJob& job = *occupant.job;
    if (!job.preemptible || occupant.leaving || options_.preemption_gap < 1) return false;
    if (std::int64_t{to.priority} - job.priority < options_.preemption_gap) return false;
    const UnixMs submitted = job.submitted_ms > 0 ? job.submitted_ms : job.started_ms;
    return Key(to) < KeyOf(job.priority, submitted, job.id, options_);
  }

  // The plan as the next call will make it, with the victims leaving: those ahead of `last` are served first. Nothing
  // when one of them would start later, or `last` not soon.
  std::optional<Replan> ReplanWith(Plan& last) const {
    Replan replan{ProfileOfOccupants(), plans_};
    for (const Plan& plan : replan.plans) {
      if (plan.fate == Plan::Fate::kStarts) replan.profile.Take(plan.slots, now_, plan.end_ms());
    }
    for (Plan& plan : replan.plans) {
      if (plan.fate != Plan::Fate::kReserved) continue;
      const UnixMs start = EarliestStart(replan.profile, plan, now_);
      if (start > plan.start_ms) return std::nullopt;
      Reserve(replan.profile, plan, start);
    }
    const UnixMs start = EarliestStart(replan.profile, last, now_);
    if (start > soon_) return std::nullopt;
    Reserve(replan.profile, last, start);
    return replan;
  }

  void DescribeWaits() {
    std::vector<std::uint32_t> free;
    for (const HostSlots& host : hosts_) free.push_back(host.slots);
    const auto occupy = [&](const std::vector<SlotsOnHost>& slots) {
      for (const auto& [host, count] : slots) free[host] -= std::min(free[host], count);
    };
    for (const Occupant& occupant : occupants_) occupy(occupant.slots);
    for (const Plan& plan : plans_) {
      if (plan.fate == Plan::Fate::kStarts) occupy(plan.slots);
    }
    const WaitReasons reasons(now_, hosts_, free, options_.reservations);

    std::uint32_t position = 0;
    std::uint32_t ahead = 0;
    std::optional<WaitFacts::Other> first_ahead;
    for (const Plan& plan : plans_) {
      if (plan.fate == Plan::Fate::kStarts) continue;
      WaitFacts facts = FactsOf(plan);
      facts.ahead = ahead;
      facts.first_ahead = first_ahead;
      output_.waits[plan.job->id] = {++position, facts.predicted_start_ms, reasons.Of(facts)};
      if (facts.fit != WaitFacts::Fit::kSomeday) continue;
      ++ahead;
      if (plan.fate == Plan::Fate::kReserved && (!first_ahead || plan.start_ms < first_ahead->start_ms))
        first_ahead = {plan.job->id, plan.start_ms};
    }
  }

  WaitFacts FactsOf(const Plan& plan) {
    WaitFacts facts{.gang = plan.job->gang, .victims = plan.victims};
    if (plan.fate == Plan::Fate::kNeverFits) {
      facts.fit = WaitFacts::Fit::kNever;
    } else if (plan.fate == Plan::Fate::kNotOnOpenHosts) {
      facts.fit = WaitFacts::Fit::kNotOnOpenHosts;
    } else {
      facts.ranks_now = profile_.RanksNow(plan.job->gang.slots_per_rank);
      facts.predicted_start_ms = plan.start_ms;
      if (plan.fate == Plan::Fate::kReserved) facts.room_maker = RoomMakerOf(plan);
    }
    return facts;
  }

  // Whose end the start waits for: one that ends then and there.
  std::optional<WaitFacts::RoomMaker> RoomMakerOf(const Plan& plan) const {
    const auto shares_host = [&](const std::vector<SlotsOnHost>& slots) {
      return std::ranges::find_first_of(slots, plan.slots, {}, &SlotsOnHost::host, &SlotsOnHost::host) != slots.end();
    };
    std::optional<WaitFacts::RoomMaker> maker;
    const auto offer = [&](std::uint64_t id, bool leaving) {
      if (!maker || id < maker->id) maker = {id, leaving};
    };
    for (const Occupant& occupant : occupants_) {
      if (occupant.end_ms == plan.start_ms && shares_host(occupant.slots)) offer(occupant.job->id, occupant.leaving);
    }
    if (maker) return maker;
    for (const Plan& other : plans_) {
      if (!other.slots.empty() && other.end_ms() == plan.start_ms && shares_host(other.slots))
        offer(other.job->id, false);
    }
    return maker;
  }

  const SchedulerOptions& options_;
  const UnixMs now_;
  const UnixMs soon_;
  const std::vector<HostSlots>& hosts_;
  std::unordered_map<std::string_view, std::uint32_t> index_of_;
  std::vector<Occupant> occupants_;
  SlotProfile profile_;
  std::map<std::uint32_t, Capacity> capacities_;  // by slots per rank
  std::vector<Found> found_;
  std::vector<Plan> plans_;  // in queue order
  std::uint32_t reserved_ = 0;
  SchedulerOutput output_;
};

}  // namespace

SchedulerOutput Schedule(const SchedulerInput& input) {
  STILL_CHECK(input.hosts != nullptr, "the scheduler is told the hosts");
  return Planner(input).Run(input.queued);
}

}  // namespace still::coordinator
