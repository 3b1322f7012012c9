#include "coordinator/scheduler/scheduler.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <tuple>
#include <unordered_map>

#include "common/check.h"
#include "coordinator/scheduler/job_plan.h"
#include "coordinator/scheduler/preemption.h"
#include "coordinator/scheduler/slot_profile.h"
#include "coordinator/scheduler/waits.h"

namespace still::coordinator {
namespace {

using cluster::GangShape;
using cluster::HostSlots;

// The time for which a job that must leave, or whose time is up, is expected to keep its slots.
constexpr std::int64_t kLeavingMs = 30'000;
constexpr std::size_t kMostTries = 8;                          // of plans with fewer victims
constexpr std::int64_t kLongestMs = 100LL * 365 * 86'400'000;  // keeps sums of times within their type
constexpr std::int64_t kSlowestAgeingMs = 4'000'000'000;       // a point in 46 days; times any priority fits 63 bits

// The place of a job in the queue: the least goes first. It is the effective priority (priority + waiting time /
// ageing), multiplied by -ageing, without the current time, which all jobs share.
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

// Makes one decision. It goes through the queue once and plans each job in that order.
class Planner {
 public:
  explicit Planner(const SchedulerInput& input)
      : options_(input.options),
        now_(input.now_ms),
        soon_(now_ + kLeavingMs),
        hosts_(*input.hosts),
        occupied_(hosts_, now_),
        profile_(occupied_) {
    for (std::uint32_t i = 0; i < hosts_.size(); ++i) index_of_.emplace(hosts_[i].name, i);
    for (const RunningJob& job : input.running) {
      occupants_.push_back({.job = &job,
                            .slots = SlotsOf(job.placement, job.gang.slots_per_rank),
                            .end_ms = ExpectedEnd(job, now_, options_),
                            .leaving = job.leaving});
      occupied_.Take(occupants_.back().slots, now_, occupants_.back().end_ms);
    }
    profile_ = occupied_;
  }

  SchedulerOutput Run(const std::vector<QueuedJob>& queued) {
    std::vector<const QueuedJob*> order;
    for (const QueuedJob& job : queued) order.push_back(&job);
    std::ranges::sort(order, {}, [&](const QueuedJob* job) { return Key(*job); });
    plans_.reserve(order.size());
    for (const QueuedJob* job : order) plans_.push_back(PlanOf(*job));
    PredictTheRest();
    output_.waits =
        WaitsOf({.now = now_, .hosts = hosts_, .occupants = occupants_, .plans = plans_, .options = options_});
    return std::move(output_);
  }

 private:
  struct Capacity {
    std::int64_t ranks = 0;
    std::int64_t on_open_hosts = 0;
  };
  struct Replan {
    SlotProfile profile;
    std::vector<JobPlan> plans;
    JobPlan last;
  };
  // The earliest start of a gang. A gang that needs no less, for no less time, starts no earlier: plans only take
  // slots.
  struct Found {
    GangShape gang;
    std::int64_t duration_ms = 0;
    UnixMs start_ms = 0;
  };
  // A job for which all possible victims together would not make enough room. Nor would they for a job that needs no
  // less and whose priority is no higher.
  struct Hopeless {
    GangShape gang;
    std::int64_t duration_ms = 0;
    std::int32_t priority = 0;
  };

  QueueKey Key(const QueuedJob& job) const { return KeyOf(job.priority, job.submitted_ms, job.id, options_); }

  // Returns the slots that a placement takes. Hosts that left the inventory have none.
  std::vector<SlotsOnHost> SlotsOf(const cluster::Placement& placement, std::uint32_t slots_per_rank) const {
    std::vector<SlotsOnHost> slots;
    for (const cluster::HostShare& share : placement) {
      const auto found = index_of_.find(share.host);
      if (found != index_of_.end()) slots.push_back({found->second, share.ranks * slots_per_rank});
    }
    return slots;
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

  JobPlan PlanOf(const QueuedJob& job) {
    JobPlan plan{.job = &job, .duration_ms = DurationOf(job.duration_ms, options_)};
    const bool asks = job.gang.ranks > 0 && job.gang.slots_per_rank > 0;
    if (!asks || CapacityFor(job.gang.slots_per_rank).ranks < job.gang.ranks) {
      plan.fate = JobPlan::Fate::kNeverFits;
    } else if (CapacityFor(job.gang.slots_per_rank).on_open_hosts < job.gang.ranks) {
      plan.fate = JobPlan::Fate::kNotOnOpenHosts;
    } else if (reserved_ >= options_.reservations) {
      if (NotBefore(found_, plan) > now_) return plan;
      if (profile_.FitsNow(job.gang, plan.duration_ms)) {
        StartNow(plan);
      } else {
        found_.push_back({job.gang, plan.duration_ms, now_ + 1});
      }
    } else {
      const UnixMs start = EarliestStart(profile_, found_, plan);
      if (start == now_) {
        StartNow(plan);
      } else {
        ++reserved_;
        if (start <= soon_ || !Preempt(plan)) Reserve(profile_, plan, start);
      }
    }
    return plan;
  }

  void PredictTheRest() {
    std::uint32_t left = options_.predictions;
    for (JobPlan& plan : plans_) {
      if (plan.fate != JobPlan::Fate::kBehind) continue;
      if (left-- == 0) return;
      Reserve(profile_, plan, EarliestStart(profile_, found_, plan));
      plan.fate = JobPlan::Fate::kPredicted;
    }
  }

  static bool NeedsNoLess(const JobPlan& plan, const GangShape& gang, std::int64_t duration_ms) {
    return gang.ranks <= plan.job->gang.ranks && gang.slots_per_rank <= plan.job->gang.slots_per_rank &&
           duration_ms <= plan.duration_ms;
  }

  UnixMs NotBefore(const std::vector<Found>& found, const JobPlan& plan) const {
    UnixMs not_before = now_;
    for (const Found& other : found) {
      if (NeedsNoLess(plan, other.gang, other.duration_ms)) not_before = std::max(not_before, other.start_ms);
    }
    return not_before;
  }

  UnixMs EarliestStart(SlotProfile& profile, std::vector<Found>& found, const JobPlan& plan) const {
    const auto start = profile.EarliestStart(plan.job->gang, plan.duration_ms, NotBefore(found, plan));
    STILL_CHECK(start.has_value(), "the open hosts are empty once all that is planned has ended");
    found.push_back({plan.job->gang, plan.duration_ms, *start});
    return *start;
  }

  static void Reserve(SlotProfile& profile, JobPlan& plan, UnixMs start) {
    plan.fate = JobPlan::Fate::kReserved;
    plan.start_ms = start;
    plan.slots = profile.FirstFit(plan.job->gang, start, plan.end_ms());
    profile.Take(plan.slots, start, plan.end_ms());
  }

  void StartNow(JobPlan& plan) {
    plan.fate = JobPlan::Fate::kStarts;
    plan.start_ms = now_;
    auto placement = cluster::Place(hosts_, profile_.LeastFree(now_, plan.end_ms()), plan.job->gang);
    STILL_CHECK(placement.has_value(), "the gang fits now");
    plan.slots = SlotsOf(*placement, plan.job->gang.slots_per_rank);
    profile_.Take(plan.slots, now_, plan.end_ms());
    output_.starts.push_back({plan.job->id, *std::move(placement)});
  }

  // Turns a reservation for now into a start.
  void StartIfDue(JobPlan& plan) {
    if (plan.fate != JobPlan::Fate::kReserved || plan.start_ms > now_) return;
    plan.fate = JobPlan::Fate::kStarts;
    --reserved_;
    Start start{.id = plan.job->id, .placement = {}};
    for (const auto& [host, slots] : plan.slots)
      start.placement.push_back({hosts_[host].name, slots / plan.job->gang.slots_per_rank});
    output_.starts.push_back(std::move(start));
  }

  // Chooses the victims that make way for this job and reserves their slots for it. Returns false when there are none.
  bool Preempt(JobPlan& plan) {
    const bool hopeless = std::ranges::any_of(hopeless_, [&](const Hopeless& other) {
      return plan.job->priority <= other.priority && NeedsNoLess(plan, other.gang, other.duration_ms);
    });
    if (hopeless || failed_tries_ >= kMostTries) return false;
    std::vector<std::size_t> victims = VictimsFor(plan);
    if (victims.empty()) {
      hopeless_.push_back({plan.job->gang, plan.duration_ms, plan.job->priority});
      return false;
    }
    std::optional<Replan> replan = ReplanWith(victims, plan);
    if (!replan) {
      ++failed_tries_;
      return false;
    }
    if (reserved_ > 1 && victims.size() <= kMostTries) DropNeedlessVictims(victims, *replan, plan);
    Adopt(*std::move(replan), victims, plan);
    return true;
  }

  // Returns the positions in `occupants_` of victims that together make room in the plan as it is. The first is the one
  // to spare first.
  std::vector<std::size_t> VictimsFor(const JobPlan& plan) const {
    std::vector<Candidate> candidates;
    std::vector<std::size_t> occupant_of;
    for (std::size_t i = 0; i < occupants_.size(); ++i) {
      if (!GivesWay(occupants_[i], *plan.job)) continue;
      const RunningJob& job = *occupants_[i].job;
      candidates.push_back({job.id, job.priority, job.started_ms, occupants_[i].end_ms, occupants_[i].slots});
      occupant_of.push_back(i);
    }
    std::vector<std::size_t> victims =
        ChooseVictims(profile_, candidates, plan.job->gang, soon_, soon_ + plan.duration_ms);
    for (std::size_t& victim : victims) victim = occupant_of[victim];
    return victims;
  }

  // Drops victims without which the job still starts: reservations ahead of it may move out of the way, too.
  void DropNeedlessVictims(std::vector<std::size_t>& victims, Replan& replan, const JobPlan& plan) {
    for (std::size_t i = 0; victims.size() > 1 && i < victims.size();) {
      std::vector<std::size_t> fewer = victims;
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
      if (auto enough = ReplanWith(fewer, plan)) {
        replan = *std::move(enough);
        victims = std::move(fewer);
      } else {
        ++i;
      }
    }
  }

  void Adopt(Replan replan, const std::vector<std::size_t>& victims, JobPlan& plan) {
    plan = std::move(replan.last);
    for (const std::size_t i : victims) {
      Occupant& victim = occupants_[i];
      GiveUpSoon(occupied_, victim);
      victim.end_ms = std::min(victim.end_ms, soon_);
      victim.leaving = true;
      plan.victims.push_back(victim.job->id);
    }
    std::ranges::sort(plan.victims);
    for (const std::uint64_t victim : plan.victims) output_.preemptions.push_back({victim, plan.job->id});
    profile_ = std::move(replan.profile);
    plans_ = std::move(replan.plans);
    found_.clear();
    hopeless_.clear();
    // A reservation that kept a job from starting may have moved out of the way.
    for (JobPlan& earlier : plans_) StartIfDue(earlier);
    StartIfDue(plan);
  }

  void GiveUpSoon(SlotProfile& profile, const Occupant& victim) const {
    if (victim.end_ms > soon_) profile.GiveBack(victim.slots, soon_, victim.end_ms);
  }

  bool GivesWay(const Occupant& occupant, const QueuedJob& to) const {
    const RunningJob& job = *occupant.job;
    if (!job.preemptible || occupant.leaving || options_.preemption_gap < 1) return false;
    if (std::int64_t{to.priority} - job.priority < options_.preemption_gap) return false;
    const UnixMs submitted = job.submitted_ms > 0 ? job.submitted_ms : job.started_ms;
    return Key(to) < KeyOf(job.priority, submitted, job.id, options_);
  }

  // Returns the plan that the next call will make when the victims leave: the jobs ahead of `last` are served first.
  // Returns nothing when one of them would start later, or when `last` would not start soon.
  std::optional<Replan> ReplanWith(const std::vector<std::size_t>& victims, const JobPlan& last) {
    // Builds the lines of the profile once, before it is copied: copies are faster than to build them each time.
    for (const JobPlan& plan : plans_) {
      if (plan.fate == JobPlan::Fate::kReserved) occupied_.RanksNow(plan.job->gang.slots_per_rank);
    }
    Replan replan{.profile = occupied_, .plans = plans_, .last = last};
    for (const std::size_t i : victims) GiveUpSoon(replan.profile, occupants_[i]);
    for (const JobPlan& plan : replan.plans) {
      if (plan.fate == JobPlan::Fate::kStarts) replan.profile.Take(plan.slots, now_, plan.end_ms());
    }
    std::vector<Found> found;
    for (JobPlan& plan : replan.plans) {
      if (plan.fate != JobPlan::Fate::kReserved) continue;
      const UnixMs start = EarliestStart(replan.profile, found, plan);
      if (start > plan.start_ms) return std::nullopt;
      Reserve(replan.profile, plan, start);
    }
    const UnixMs start = EarliestStart(replan.profile, found, last);
    if (start > soon_) return std::nullopt;
    Reserve(replan.profile, replan.last, start);
    return replan;
  }

  const SchedulerOptions& options_;
  const UnixMs now_;
  const UnixMs soon_;
  const std::vector<HostSlots>& hosts_;
  std::unordered_map<std::string_view, std::uint32_t> index_of_;
  std::vector<Occupant> occupants_;
  SlotProfile occupied_;                          // by running jobs
  SlotProfile profile_;                           // by running jobs and the plan so far
  std::map<std::uint32_t, Capacity> capacities_;  // by slots per rank
  std::vector<Found> found_;
  std::vector<Hopeless> hopeless_;
  std::vector<JobPlan> plans_;  // in queue order
  std::uint32_t reserved_ = 0;
  std::size_t failed_tries_ = 0;
  SchedulerOutput output_;
};

}  // namespace

SchedulerOutput Schedule(const SchedulerInput& input) {
  STILL_CHECK(input.hosts != nullptr, "the input has hosts");
  return Planner(input).Run(input.queued);
}

}  // namespace still::coordinator
