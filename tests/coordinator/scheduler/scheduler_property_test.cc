// Compares the scheduler with a slow and simple one, over thousands of random clusters.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "common/random.h"
#include "tests/coordinator/scheduler/scheduler_fixture.h"

namespace still::coordinator {
namespace {

using cluster::GangShape;
using cluster::HostShare;
using cluster::Placement;

constexpr std::int64_t kSoon = kMinute / 2;  // how long the scheduler expects leaving jobs to stay

// Slots that a job has on a host for a while.
struct Taken {
  std::string host;
  std::uint32_t slots = 0;
  UnixMs from = 0;
  UnixMs to = 0;
};

// Decides by the definitions alone, over all instants at which anything changes.
class Oracle {
 public:
  explicit Oracle(const Cluster& cluster) : cluster_(cluster) {
    for (const RunningJob& job : cluster.running) {
      UnixMs end = job.started_ms + job.duration_ms;
      if (end <= kNow || (job.leaving && end > kNow + kSoon)) end = kNow + kSoon;
      Take(job.placement, job.gang.slots_per_rank, kNow, end);
    }
  }

  // Returns the ids that start now, and the predicted starts, without preemption.
  std::pair<std::set<std::uint64_t>, std::map<std::uint64_t, UnixMs>> Decide() {
    std::vector<QueuedJob> order = cluster_.queued;
    std::ranges::sort(order, {}, [&](const QueuedJob& job) {
      const std::int64_t worth = job.priority * kHour + kNow - job.submitted_ms;
      return std::tuple(-worth, job.submitted_ms, job.id);
    });
    std::set<std::uint64_t> starts;
    std::map<std::uint64_t, UnixMs> predicted;
    std::vector<QueuedJob> behind;
    for (const QueuedJob& job : order) {
      if (FirstFit(job.gang, kNow + 1'000'000 * kHour, 1).empty())
        continue;  // it does not fit even when all have ended
      const bool may_reserve = predicted.size() < cluster_.options.reservations;
      for (const UnixMs at : Instants()) {
        if (!may_reserve && at > kNow) {
          behind.push_back(job);
          break;
        }
        const Placement placement =
            at > kNow ? FirstFit(job.gang, at, job.duration_ms) : PlaceNow(job.gang, job.duration_ms);
        if (placement.empty()) continue;
        Take(placement, job.gang.slots_per_rank, at, at + job.duration_ms);
        if (at == kNow) starts.insert(job.id);
        if (at > kNow) predicted[job.id] = at;
        break;
      }
    }
    // Predictions assume that no more jobs come, and that no job behind these goes first.
    behind.resize(std::min<std::size_t>(behind.size(), cluster_.options.predictions));
    for (const QueuedJob& job : behind) {
      for (const UnixMs at : Instants()) {
        const Placement placement = FirstFit(job.gang, at, job.duration_ms);
        if (placement.empty()) continue;
        Take(placement, job.gang.slots_per_rank, at, at + job.duration_ms);
        predicted[job.id] = at;
        break;
      }
    }
    return {starts, predicted};
  }

 private:
  std::set<UnixMs> Instants() const {
    std::set<UnixMs> instants{kNow};
    for (const Taken& taken : taken_) instants.insert(taken.to);
    return instants;
  }
  void Take(const Placement& placement, std::uint32_t slots_per_rank, UnixMs from, UnixMs to) {
    for (const HostShare& share : placement) taken_.push_back({share.host, share.ranks * slots_per_rank, from, to});
  }
  std::uint32_t LeastFree(const cluster::HostSlots& host, UnixMs from, UnixMs to) const {
    if (!host.open) return 0;
    std::set<UnixMs> instants{from};
    for (const Taken& taken : taken_) {
      if (taken.from > from && taken.from < to) instants.insert(taken.from);
    }
    std::uint32_t least = host.slots;
    for (const UnixMs at : instants) {
      std::uint32_t used = 0;
      for (const Taken& taken : taken_) {
        if (taken.host == host.name && taken.from <= at && at < taken.to) used += taken.slots;
      }
      least = std::min(least, host.slots - std::min(used, host.slots));
    }
    return least;
  }
  Placement FirstFit(const GangShape& gang, UnixMs from, std::int64_t duration) const {
    Placement placement;
    std::uint32_t left = gang.ranks;
    for (const cluster::HostSlots& host : cluster_.hosts) {
      const std::uint32_t ranks = std::min(left, LeastFree(host, from, from + duration) / gang.slots_per_rank);
      if (ranks > 0) placement.push_back({host.name, ranks});
      left -= ranks;
    }
    return left > 0 ? Placement{} : placement;
  }
  Placement PlaceNow(const GangShape& gang, std::int64_t duration) const {
    std::vector<std::uint32_t> free;
    for (const cluster::HostSlots& host : cluster_.hosts) free.push_back(LeastFree(host, kNow, kNow + duration));
    return cluster::Place(cluster_.hosts, free, gang).value_or(Placement{});
  }

  const Cluster& cluster_;
  std::vector<Taken> taken_;
};

Cluster RandomCluster(std::uint64_t seed) {
  KeyedRandom random(MixKey({seed, 77}));
  Cluster cluster;
  cluster.options.reservations = random.NextBelow(3) == 0 ? random.NextBelow(4) : 64;
  cluster.options.preemption_gap = 0;
  const std::uint32_t hosts = 1 + random.NextBelow(5);
  std::vector<std::uint32_t> free;
  for (std::uint32_t i = 0; i < hosts; ++i) {
    const std::string name(1, static_cast<char>('a' + i));
    free.push_back(1 + random.NextBelow(8));
    if (random.NextBelow(6) == 0) {
      cluster.Closed(name, free.back(), "drained");
    } else {
      cluster.Host(name, free.back());
    }
  }
  // A few durations only, so that ends coincide.
  const auto duration = [&] { return (1 + random.NextBelow(6)) * kHour / 2; };
  const auto gang = [&] {
    return GangShape{.ranks = 1 + random.NextBelow(8), .slots_per_rank = 1 + random.NextBelow(3)};
  };
  const std::uint32_t running = random.NextBelow(9);
  for (std::uint64_t id = 1; id <= running; ++id) {
    RunningJob job{.id = id, .gang = gang()};
    std::uint32_t left = job.gang.ranks;
    for (std::uint32_t i = random.NextBelow(hosts); i < hosts;
         ++i) {  // closed hosts too: they were drained after the start
      const std::uint32_t ranks = std::min(left, free[i] / job.gang.slots_per_rank);
      if (ranks > 0) job.placement.push_back({cluster.hosts[i].name, ranks});
      free[i] -= ranks * job.gang.slots_per_rank;
      left -= ranks;
    }
    job.gang.ranks -= left;
    if (job.gang.ranks == 0) continue;
    job.priority = static_cast<std::int32_t>(100 * random.NextBelow(3));
    job.submitted_ms = kNow - (random.NextBelow(8) + 1) * kHour;
    job.started_ms = kNow - random.NextBelow(3) * kHour;
    job.duration_ms = duration();
    job.preemptible = random.NextBelow(4) != 0;
    job.leaving = random.NextBelow(6) == 0;
    cluster.running.push_back(job);
  }
  const std::uint32_t queued = random.NextBelow(12);
  for (std::uint64_t id = 101; id <= 100 + queued; ++id) {
    QueuedJob& job = cluster.Queue(id, 1, duration(), static_cast<std::int32_t>(100 * random.NextBelow(3)));
    job.gang = gang();
    job.submitted_ms = kNow - random.NextBelow(4) * kHour;
    if (random.NextBelow(10) == 0) job.priority = static_cast<std::int32_t>(random.NextBelow(300));
  }
  return cluster;
}

std::map<std::uint64_t, UnixMs> Predictions(const SchedulerOutput& output) {
  std::map<std::uint64_t, UnixMs> predicted;
  for (const auto& [id, wait] : output.waits) {
    if (wait.predicted_start_ms > 0) predicted[id] = wait.predicted_start_ms;
  }
  return predicted;
}

// Returns when the job starts, now or as predicted.
UnixMs StartOf(const SchedulerOutput& output, std::uint64_t id) {
  const auto wait = output.waits.find(id);
  return wait == output.waits.end() ? kNow : wait->second.predicted_start_ms;
}

template <typename T>
void Shuffle(std::vector<T>& values, KeyedRandom& random) {
  for (std::size_t i = values.size(); i > 1; --i)
    std::swap(values[i - 1], values[random.NextBelow(static_cast<std::uint32_t>(i))]);
}

// Returns the whole output as text.
std::string Shown(const SchedulerOutput& output) {
  std::string shown;
  for (const Start& start : output.starts) {
    shown += fmt::format("start {}", start.id);
    for (const HostShare& share : start.placement) shown += fmt::format(" {}:{}", share.host, share.ranks);
    shown += '\n';
  }
  for (const std::string& preempted : Preempted(output)) shown += preempted + '\n';
  for (const auto& [id, wait] : output.waits) {
    shown += fmt::format("{} at {}, {}\n", id, wait.position, wait.predicted_start_ms);
    for (const std::string& reason : Reasons(output, id)) shown += "  " + reason + '\n';
  }
  return shown;
}

constexpr std::uint64_t kSeeds = 2'000;

TEST(SchedulerPropertyTest, SlotsAreNeverBookedTwiceGangsAreWholeAndClosedHostsGetNothing) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const Cluster cluster = RandomCluster(seed);
    const SchedulerOutput output = cluster.Decide();
    std::map<std::string, std::uint32_t> used;
    for (const RunningJob& job : cluster.running) {
      for (const HostShare& share : job.placement) used[share.host] += share.ranks * job.gang.slots_per_rank;
    }
    for (const Start& start : output.starts) {
      const QueuedJob& job = *std::ranges::find(cluster.queued, start.id, &QueuedJob::id);
      std::uint32_t ranks = 0;
      for (const HostShare& share : start.placement) {
        const auto host = std::ranges::find(cluster.hosts, share.host, &cluster::HostSlots::name);
        ASSERT_TRUE(host->open) << "seed " << seed;
        used[share.host] += share.ranks * job.gang.slots_per_rank;
        ASSERT_LE(used[share.host], host->slots) << "seed " << seed;
        ranks += share.ranks;
      }
      ASSERT_EQ(ranks, job.gang.ranks) << "seed " << seed;
    }
    ASSERT_EQ(output.starts.size() + output.waits.size(), cluster.queued.size()) << "seed " << seed;
    for (const auto& [id, wait] : output.waits) ASSERT_FALSE(wait.reasons.empty()) << "seed " << seed << " job " << id;
  }
}

TEST(SchedulerPropertyTest, StartsAndPredictionsAreThoseOfTheOracle) {
  std::size_t starts_seen = 0, predictions_seen = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Cluster cluster = RandomCluster(seed);
    cluster.options.predictions = seed % 4;
    const SchedulerOutput output = cluster.Decide();
    const auto [starts, predicted] = Oracle(cluster).Decide();
    const std::vector<std::uint64_t> started = Started(output);
    ASSERT_EQ(std::set<std::uint64_t>(started.begin(), started.end()), starts) << "seed " << seed;
    ASSERT_EQ(Predictions(output), predicted) << "seed " << seed;
    starts_seen += starts.size();
    predictions_seen += predicted.size();
  }
  EXPECT_GT(starts_seen, kSeeds / 2);  // the clusters are neither empty nor full
  EXPECT_GT(predictions_seen, kSeeds);
}

TEST(SchedulerPropertyTest, PredictionsDecideNothing) {
  std::size_t predicted_further = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Cluster cluster = RandomCluster(seed);
    cluster.options.preemption_gap = 100;
    cluster.options.reservations = static_cast<std::uint32_t>(seed % 4);
    const SchedulerOutput plain = cluster.Decide();
    cluster.options.predictions = 100;
    const SchedulerOutput told = cluster.Decide();
    ASSERT_EQ(Started(told), Started(plain)) << "seed " << seed;
    ASSERT_EQ(Preempted(told), Preempted(plain)) << "seed " << seed;
    const std::map<std::uint64_t, UnixMs> predicted = Predictions(told);
    for (const auto& [id, start] : Predictions(plain)) ASSERT_EQ(predicted.at(id), start) << "seed " << seed;
    for (const auto& [id, wait] : told.waits) {
      const v1::WaitReason code = wait.reasons.front().code;
      const bool never =
          code == v1::WAIT_REASON_NEVER_FITS || (code == v1::WAIT_REASON_HOSTS_DRAINED && wait.reasons.size() == 1);
      ASSERT_EQ(wait.predicted_start_ms == 0, never) << "seed " << seed << " job " << id;
      ASSERT_EQ(wait.position, plain.waits.at(id).position) << "seed " << seed;
      ASSERT_EQ(wait.slots_kept, plain.waits.at(id).predicted_start_ms != 0) << "seed " << seed;
    }
    predicted_further += predicted.size() - Predictions(plain).size();
  }
  EXPECT_GT(predicted_further, kSeeds);
}

TEST(SchedulerPropertyTest, AStartMovesNoPredictionOfJobsAhead) {
  std::size_t backfills = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const Cluster cluster = RandomCluster(seed);
    const SchedulerOutput output = cluster.Decide();
    const std::map<std::uint64_t, UnixMs> predicted = Predictions(output);
    // With all starts running, no predicted start has moved, and no other job starts.
    const SchedulerOutput again = cluster.After(output).Decide();
    ASSERT_TRUE(again.starts.empty()) << "seed " << seed;
    ASSERT_EQ(Predictions(again), predicted) << "seed " << seed;
    // Without one of the starts, the jobs ahead of it would not start earlier.
    for (const std::uint64_t id : Started(output)) {
      Cluster without = cluster;
      std::erase_if(without.queued, [&](const QueuedJob& job) { return job.id == id; });
      const auto started = std::ranges::find(cluster.queued, id, &QueuedJob::id);
      for (const auto& [ahead, start] : Predictions(without.Decide())) {
        const auto other = std::ranges::find(cluster.queued, ahead, &QueuedJob::id);
        const auto worth = [](const QueuedJob& job) { return job.priority * kHour - job.submitted_ms; };
        if (worth(*other) <= worth(*started)) continue;
        ++backfills;
        ASSERT_TRUE(predicted.contains(ahead)) << "seed " << seed;
        ASSERT_EQ(predicted.at(ahead), start) << "seed " << seed << ": " << id << " delays " << ahead;
      }
    }
  }
  EXPECT_GT(backfills, kSeeds / 10);
}

TEST(SchedulerPropertyTest, TheOrderOfTheInputDoesNotMatter) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Cluster cluster = RandomCluster(seed);
    cluster.options.preemption_gap = 100;
    const std::string first = Shown(cluster.Decide());
    ASSERT_EQ(Shown(cluster.Decide()), first) << "seed " << seed;
    KeyedRandom random(seed);
    Shuffle(cluster.queued, random);
    Shuffle(cluster.running, random);
    ASSERT_EQ(Shown(cluster.Decide()), first) << "seed " << seed;
  }
}

TEST(SchedulerPropertyTest, VictimsArePreemptibleAllNeededAndSufficient) {
  std::size_t preemptions = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Cluster cluster = RandomCluster(seed);
    const SchedulerOutput undisturbed = cluster.Decide();
    cluster.options.preemption_gap = 100;
    const SchedulerOutput output = cluster.Decide();
    const std::map<std::uint64_t, UnixMs> predicted = Predictions(output);
    std::map<std::uint64_t, std::set<std::uint64_t>> victims;  // by beneficiary
    for (const Preemption& preemption : output.preemptions) {
      const auto victim = std::ranges::find(cluster.running, preemption.victim, &RunningJob::id);
      const auto beneficiary = std::ranges::find(cluster.queued, preemption.beneficiary, &QueuedJob::id);
      ASSERT_TRUE(victim->preemptible && !victim->leaving) << "seed " << seed;
      ASSERT_GE(beneficiary->priority, victim->priority + 100) << "seed " << seed;
      ASSERT_TRUE(victims[beneficiary->id].insert(victim->id).second) << "seed " << seed;
      ASSERT_LE(StartOf(output, beneficiary->id), kNow + kSoon) << "seed " << seed;
      ++preemptions;
    }
    if (victims.empty()) continue;
    // Once the victims leave, the plan is as predicted, unless that lets another job preempt others in turn.
    const SchedulerOutput again = cluster.After(output).Decide();
    const bool only_the_same = std::ranges::all_of(
        again.preemptions, [&](const Preemption& more) { return victims.contains(more.beneficiary); });
    if (only_the_same) {
      ASSERT_THAT(Preempted(again), ::testing::IsEmpty()) << "seed " << seed;
      ASSERT_EQ(Predictions(again), predicted) << "seed " << seed;
    }
    // Without any one of the victims, the only beneficiary would not start soon.
    if (victims.size() > 1) continue;
    const auto& [beneficiary, needed] = *victims.begin();
    ASSERT_GT(StartOf(undisturbed, beneficiary), kNow + kSoon) << "seed " << seed;
    for (const std::uint64_t spared : needed) {
      Cluster fewer = cluster;
      fewer.options.preemption_gap = 0;
      for (RunningJob& job : fewer.running) job.leaving = job.leaving || (needed.contains(job.id) && job.id != spared);
      ASSERT_GT(StartOf(fewer.Decide(), beneficiary), kNow + kSoon) << "seed " << seed << " spared " << spared;
    }
  }
  EXPECT_GT(preemptions, kSeeds / 20);
}

}  // namespace
}  // namespace still::coordinator
