#include "coordinator/scheduler/waits.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "coordinator/scheduler/wait_reasons.h"

namespace still::coordinator {
namespace {

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
