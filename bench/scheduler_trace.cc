// Replays a synthetic trace of jobs, event by event, under plain FIFO, Slurm's EASY backfill rule, and our scheduler
// without and with preemption. Then it measures one decision on a large cluster. Prints Markdown.
//
//   build/light/bin/scheduler_trace_bench [jobs] [seed]
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <numbers>
#include <numeric>
#include <string>
#include <tuple>
#include <vector>

#include "bench/scheduler_baselines.h"
#include "cluster/placement.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/random.h"
#include "coordinator/scheduler/scheduler.h"

namespace still::coordinator {
namespace {

using cluster::GangShape;
using cluster::HostSlots;

constexpr std::int64_t kSecond = 1'000;
constexpr std::int64_t kHour = 3'600 * kSecond;
constexpr UnixMs kBegin = 1'800'000'000'000;
constexpr std::uint32_t kHosts = 64;
constexpr std::uint32_t kSlotsOfHost = 8;
constexpr double kLoad = 0.9;
constexpr std::int64_t kLeaving = 20 * kSecond;   // from the preemption to free slots
constexpr std::int64_t kResuming = 30 * kSecond;  // work that a preempted job repeats
constexpr std::int64_t kShortest = 10 * kSecond;  // bounded slowdown counts shorter jobs as this long

struct TraceJob {
  QueuedJob job;  // its duration is the user's limit
  std::int64_t runtime_ms = 0;
};

// ---- the trace ----------------------------------------------------------------------------------------------------

double Normal(KeyedRandom& random) {
  const double radius = std::sqrt(-2 * std::log(1 - random.NextUnit()));
  return radius * std::cos(2 * std::numbers::pi * random.NextUnit());
}

// Returns a log-normal runtime around a quarter of an hour, from half a minute to a day.
std::int64_t DrawRuntime(KeyedRandom& random) {
  const double seconds = 900 * std::exp(1.6 * Normal(random));
  return std::llround(std::clamp(seconds, 30.0, 86'400.0)) * kSecond;
}

GangShape DrawGang(KeyedRandom& random) {
  std::uint32_t doublings = 0;
  while (doublings < 6 && random.NextUnit() < 0.6) ++doublings;
  constexpr std::uint32_t kWidths[] = {1, 1, 2, 4};
  return {.ranks = 1U << doublings, .slots_per_rank = kWidths[random.NextBelow(4)]};
}

// Makes the trace. Users come at random, and one in ten submits a sweep of 5 to 40 jobs of one shape. Limits are 1 to 5
// times too long, in units of five minutes.
std::vector<TraceJob> MakeTrace(std::size_t count, std::uint64_t seed) {
  KeyedRandom random(MixKey({seed, 1}));
  std::vector<TraceJob> trace;
  double at = 0;
  double work = 0;  // slot milliseconds
  while (trace.size() < count) {
    at -= std::log(1 - random.NextUnit());
    const std::uint32_t burst = random.NextBelow(10) == 0 ? 5 + random.NextBelow(36) : 1;
    const GangShape gang = DrawGang(random);
    const std::uint32_t level = random.NextBelow(10);
    const double haste = 1 + 4 * random.NextUnit();
    for (std::uint32_t i = 0; i < burst && trace.size() < count; ++i) {
      TraceJob made;
      made.runtime_ms = DrawRuntime(random);
      const double limit = static_cast<double>(made.runtime_ms) * haste;
      made.job = {.id = trace.size() + 1,
                  .priority = level == 0  ? 100
                              : level < 3 ? 50
                                          : 0,
                  .submitted_ms = std::llround(at * 1000),
                  .gang = gang,
                  .duration_ms = std::llround(std::ceil(limit / (300 * kSecond))) * 300 * kSecond};
      work += static_cast<double>(made.runtime_ms) * gang.ranks * gang.slots_per_rank;
      trace.push_back(made);
    }
  }
  // Stretches the arrivals until the submitted work is this share of what the slots could do in the meantime.
  const double scale = work / (kLoad * kHosts * kSlotsOfHost) / (at * 1000);
  for (TraceJob& made : trace)
    made.job.submitted_ms = kBegin + std::llround(static_cast<double>(made.job.submitted_ms) * scale);
  return trace;
}

using Policy = std::function<SchedulerOutput(const SchedulerInput&)>;

// ---- the replay ---------------------------------------------------------------------------------------------------

struct Outcome {
  UnixMs first_start_ms = 0;
  UnixMs end_ms = 0;
  UnixMs predicted_ms = 0;  // at its submission; 0: it started at once, or had no prediction
};

struct Replay {
  std::vector<Outcome> outcomes;  // of the trace
  std::size_t calls = 0;
  double seconds = 0;  // spent in the policy
  std::size_t longest_queue = 0;
  std::size_t preemptions = 0;
};

class Simulation {
 public:
  Simulation(const std::vector<TraceJob>& trace, const std::vector<HostSlots>& hosts, Policy policy,
             const SchedulerOptions& options)
      : trace_(trace), policy_(std::move(policy)), left_ms_(trace.size()) {
    input_.hosts = &hosts;
    input_.options = options;
    replay_.outcomes.resize(trace.size());
    for (std::size_t i = 0; i < trace.size(); ++i) left_ms_[i] = trace[i].runtime_ms;
  }

  Replay Run() {
    std::size_t arrived = 0;
    while (arrived < trace_.size() || !ends_.empty()) {
      UnixMs& now = input_.now_ms;
      now = arrived < trace_.size() ? trace_[arrived].job.submitted_ms : ends_.begin()->first;
      if (!ends_.empty()) now = std::min(now, ends_.begin()->first);
      for (; !ends_.empty() && ends_.begin()->first == now; ends_.erase(ends_.begin())) End(ends_.begin()->second);
      const std::size_t first_new = arrived;
      for (; arrived < trace_.size() && trace_[arrived].job.submitted_ms == now; ++arrived)
        input_.queued.push_back(trace_[arrived].job);
      replay_.longest_queue = std::max(replay_.longest_queue, input_.queued.size());
      const SchedulerOutput output = Decide();
      for (std::size_t i = first_new; i < arrived; ++i) {
        const auto wait = output.waits.find(trace_[i].job.id);
        if (wait != output.waits.end()) replay_.outcomes[i].predicted_ms = wait->second.predicted_start_ms;
      }
      for (const Start& start : output.starts) Begin(start);
      for (const Preemption& preemption : output.preemptions) Interrupt(preemption.victim);
    }
    STILL_CHECK(input_.queued.empty(), "every job of the trace fits");
    return std::move(replay_);
  }

 private:
  SchedulerOutput Decide() {
    const Clock::TimePoint started = Clock::System().Now();
    SchedulerOutput output = policy_(input_);
    replay_.seconds += SecondsSince(Clock::System(), started);
    ++replay_.calls;
    return output;
  }
  void Begin(const Start& start) {
    const auto queued = std::ranges::find(input_.queued, start.id, &QueuedJob::id);
    input_.running.push_back({.id = queued->id,
                              .priority = queued->priority,
                              .submitted_ms = queued->submitted_ms,
                              .started_ms = input_.now_ms,
                              .duration_ms = queued->duration_ms,
                              .gang = queued->gang,
                              .placement = start.placement,
                              .preemptible = true});
    input_.queued.erase(queued);
    ends_.emplace(input_.now_ms + left_ms_[start.id - 1], start.id);
    Outcome& outcome = replay_.outcomes[start.id - 1];
    if (outcome.first_start_ms == 0) outcome.first_start_ms = input_.now_ms;
  }
  void Interrupt(std::uint64_t id) {
    ++replay_.preemptions;
    std::ranges::find(input_.running, id, &RunningJob::id)->leaving = true;
    const auto end = std::ranges::find(ends_, id, &std::pair<const UnixMs, std::uint64_t>::second);
    if (end->first <= input_.now_ms + kLeaving) return;  // it ends before that
    ends_.erase(end);
    ends_.emplace(input_.now_ms + kLeaving, id);
  }
  void End(std::uint64_t id) {
    const auto running = std::ranges::find(input_.running, id, &RunningJob::id);
    std::int64_t& left = left_ms_[id - 1];
    left -= input_.now_ms - running->started_ms;
    if (left > 0) {  // it was preempted
      left += kResuming;
      input_.queued.push_back(trace_[id - 1].job);
    } else {
      replay_.outcomes[id - 1].end_ms = input_.now_ms;
    }
    input_.running.erase(running);
  }

  const std::vector<TraceJob>& trace_;
  const Policy policy_;
  SchedulerInput input_;
  std::vector<std::int64_t> left_ms_;
  std::multimap<UnixMs, std::uint64_t> ends_;
  Replay replay_;
};

// ---- the table ----------------------------------------------------------------------------------------------------

double Mean(const std::vector<double>& values) {
  return values.empty() ? 0 : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double Quantile(std::vector<double> values, double at) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[static_cast<std::size_t>(at * static_cast<double>(values.size() - 1))];
}

// The rows of the table: one number per policy.
constexpr const char* kRows[] = {"makespan, h",
                                 "mean wait, min",
                                 "median wait, min",
                                 "95 % wait less than, min",
                                 "mean bounded slowdown",
                                 "utilisation",
                                 "mean wait of high priority, min",
                                 "mean wait of gangs of up to 8 slots, min",
                                 "mean wait of gangs of 9 to 64 slots, min",
                                 "mean wait of gangs of 65 slots and more, min",
                                 "start beside the prediction at submission, median, min",
                                 "start later than that",
                                 "jobs made way",
                                 "longest queue",
                                 "a decision, ms"};

std::vector<std::string> Column(const std::vector<TraceJob>& trace, const Replay& replay) {
  std::vector<double> waits, high, narrow, middling, wide, slowdowns, errors;
  double work = 0, late = 0;
  UnixMs last = 0;
  for (std::size_t i = 0; i < trace.size(); ++i) {
    const auto& [job, runtime] = trace[i];
    const Outcome& outcome = replay.outcomes[i];
    const auto turnaround = static_cast<double>(outcome.end_ms - job.submitted_ms);
    const double wait = (turnaround - static_cast<double>(runtime)) / (60 * kSecond);
    waits.push_back(wait);
    if (job.priority == 100) high.push_back(wait);
    const std::uint32_t slots = job.gang.ranks * job.gang.slots_per_rank;
    (slots <= 8 ? narrow : slots <= 64 ? middling : wide).push_back(wait);
    slowdowns.push_back(std::max(1.0, turnaround / static_cast<double>(std::max(runtime, kShortest))));
    work += static_cast<double>(runtime) * slots;
    last = std::max(last, outcome.end_ms);
    if (outcome.predicted_ms == 0) continue;
    const auto error = static_cast<double>(outcome.first_start_ms - outcome.predicted_ms) / (60 * kSecond);
    errors.push_back(std::abs(error));
    late += error > 0 ? 1 : 0;
  }
  const auto makespan = static_cast<double>(last - trace.front().job.submitted_ms);
  const bool predicts = !errors.empty();
  return {fmt::format("{:.1f}", makespan / kHour),
          fmt::format("{:.1f}", Mean(waits)),
          fmt::format("{:.1f}", Quantile(waits, 0.5)),
          fmt::format("{:.0f}", Quantile(waits, 0.95)),
          fmt::format("{:.1f}", Mean(slowdowns)),
          fmt::format("{:.3f}", work / (makespan * kHosts * kSlotsOfHost)),
          fmt::format("{:.1f}", Mean(high)),
          fmt::format("{:.1f}", Mean(narrow)),
          fmt::format("{:.1f}", Mean(middling)),
          fmt::format("{:.1f}", Mean(wide)),
          predicts ? fmt::format("{:.1f}", Quantile(errors, 0.5)) : "–",
          predicts ? fmt::format("{:.1f} %", 100 * late / static_cast<double>(errors.size())) : "–",
          replay.preemptions > 0 ? fmt::format("{}", replay.preemptions) : "–",
          fmt::format("{}", replay.longest_queue),
          fmt::format("{:.3f}", 1e3 * replay.seconds / static_cast<double>(replay.calls))};
}

std::vector<HostSlots> MakeHosts(std::uint32_t count, std::uint32_t slots) {
  std::vector<HostSlots> hosts;
  for (std::uint32_t i = 0; i < count; ++i)
    hosts.push_back({.name = fmt::format("node-{:04}", i), .slots = slots, .open = true, .closed_because = ""});
  return hosts;
}

void PrintTable(std::size_t jobs, std::uint64_t seed) {
  const std::vector<TraceJob> trace = MakeTrace(jobs, seed);
  const std::vector<HostSlots> hosts = MakeHosts(kHosts, kSlotsOfHost);
  const SchedulerOptions alone{.preemption_gap = 0};
  const std::vector<std::tuple<std::string, Policy, SchedulerOptions>> policies = {
      {"FIFO", Fifo, alone},
      {"EASY", Easy, alone},
      {"Stillhouse, 1 reservation", Schedule, {.reservations = 1, .preemption_gap = 0}},
      {"Stillhouse, 64 reservations", Schedule, {.reservations = 64, .preemption_gap = 0}},
      {"Stillhouse", Schedule, alone},
      {"Stillhouse, preempting", Schedule, {.preemption_gap = 100}}};
  std::string head = fmt::format("| {} jobs, {} hosts of {} slots, seed {} |", jobs, kHosts, kSlotsOfHost, seed);
  std::string rule = "|---|";
  std::vector<std::vector<std::string>> columns;
  for (const auto& [name, policy, options] : policies) {
    head += fmt::format(" {} |", name);
    rule += "---|";
    columns.push_back(Column(trace, Simulation(trace, hosts, policy, options).Run()));
  }
  fmt::print("{}\n{}\n", head, rule);
  for (std::size_t row = 0; row < std::size(kRows); ++row) {
    fmt::print("| {} |", kRows[row]);
    for (const auto& column : columns) fmt::print(" {} |", column[row]);
    fmt::print("\n");
  }
}

// Measures one decision with 300 full hosts, 1,000 running jobs and 1,000 waiting ones.
void PrintLargeDecision(const char* what, const SchedulerOptions& options) {
  const std::vector<HostSlots> hosts = MakeHosts(300, 32);
  KeyedRandom random(MixKey({3}));
  SchedulerInput input{.now_ms = kBegin, .hosts = &hosts, .options = options};
  for (std::uint64_t id = 1; id <= 1'000; ++id) {  // each has a third of a host
    input.running.push_back({.id = id,
                             .submitted_ms = kBegin - 24 * kHour,
                             .started_ms = kBegin - random.NextBelow(3'600) * kSecond,
                             .duration_ms = 2 * kHour + random.NextBelow(100'000) * kSecond,
                             .gang = {.ranks = 9, .slots_per_rank = 1},
                             .placement = {{hosts[id % 300].name, 9}},
                             .preemptible = true});
  }
  for (std::uint64_t id = 2'001; id <= 3'000; ++id) {
    const auto level = static_cast<std::int32_t>(random.NextBelow(3));
    input.queued.push_back({.id = id,
                            .priority = 100 * level,
                            .submitted_ms = kBegin - random.NextBelow(3'600) * kSecond,
                            .gang = {.ranks = 1U << random.NextBelow(9), .slots_per_rank = 1U << random.NextBelow(4)},
                            .duration_ms = (300 + random.NextBelow(100'000)) * kSecond});
  }
  constexpr int kRepetitions = 51;
  std::vector<double> milliseconds;
  SchedulerOutput output;
  for (int i = 0; i < kRepetitions; ++i) {
    const Clock::TimePoint started = Clock::System().Now();
    output = Schedule(input);
    milliseconds.push_back(1e3 * SecondsSince(Clock::System(), started));
  }
  fmt::print("{} {}: {:.2f} ms (median of {}; the fastest {:.2f}); {} start, {} make way\n",
             "One decision, 300 hosts, 1,000 running, 1,000 queued,", what, Quantile(milliseconds, 0.5), kRepetitions,
             Quantile(milliseconds, 0), output.starts.size(), output.preemptions.size());
}

}  // namespace
}  // namespace still::coordinator

int main(int argc, char** argv) {
  const std::size_t jobs = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 10'000;
  const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  if (jobs == 0) {
    std::fprintf(stderr, "usage: scheduler_trace_bench [jobs, at least 1] [seed]\n");
    return 2;
  }
  still::coordinator::PrintTable(jobs, seed);
  fmt::print("\n");
  still::coordinator::PrintLargeDecision("without preemption", {.preemption_gap = 0});
  still::coordinator::PrintLargeDecision("preempting", {});
  still::coordinator::PrintLargeDecision("preempting, 64 predictions", {.predictions = 64});
  return 0;
}
