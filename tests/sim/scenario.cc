#include "tests/sim/scenario.h"

#include <fmt/format.h>

#include <algorithm>

#include "tests/sim/dice.h"

namespace still::sim {
namespace {

using v1::JobSpec;

struct Size {
  std::size_t jobs = 0;
  std::size_t hosts = 0;
  std::int64_t fewest_slots = 0;
  std::int64_t most_slots = 0;
};

// Leaves a mean out from time to time, so that each kind of fault also happens alone.
std::int64_t Mean(Dice& dice, std::int64_t low, std::int64_t high) {
  return dice.Chance(0.3) ? 0 : dice.Between(low, high);
}

Weather WeatherOf(Dice& dice) {
  Weather weather;
  if (dice.Chance(0.05)) return weather;
  const double badness = dice.Between(1, 10) / 10.0;
  weather.loss = 0.2 * badness;
  weather.duplicate = 0.2 * badness;
  weather.late = 0.1 * badness;
  weather.rank_death = dice.Chance(0.7) ? 0.5 * badness : 0;
  weather.launch_failure = dice.Chance(0.5) ? 0.1 * badness : 0;
  weather.torn_commit = dice.Chance(0.5) ? 0.01 * badness : 0;
  weather.full_disk = dice.Chance(0.3) ? 0.02 * badness : 0;
  weather.inventory_change = dice.Chance(0.3) ? 0.5 : 0;
  weather.clock_step_ms = dice.Chance(0.3) ? dice.Between(1, 20'000) : 0;
  weather.coordinator_crash_ms = Mean(dice, 20'000, 300'000);
  weather.agent_crash_ms = Mean(dice, 5'000, 100'000);
  weather.agent_cut_ms = Mean(dice, 5'000, 100'000);
  weather.host_crash_ms = Mean(dice, 30'000, 300'000);
  weather.host_cut_ms = Mean(dice, 30'000, 300'000);
  weather.disk_full_ms = Mean(dice, 30'000, 300'000);
  weather.unanswered = dice.Chance(0.5) ? 0.5 * badness : 0;
  return weather;
}

// Returns the work of one job. The pipelines of a sweep share the artifact that `stage` and `digest` name.
JobSpec SpecOf(Dice& dice, const std::string& name, v1::Stage stage, const std::string& digest, const Size& size) {
  JobSpec spec;
  spec.set_name(name);
  spec.set_stage(stage);
  spec.set_artifacts_root("/artifacts");
  spec.set_digest(digest);
  spec.set_priority(static_cast<std::int32_t>(dice.Chance(0.15) ? dice.Between(100, 300) : dice.Between(0, 20)));
  spec.set_slots_per_rank(static_cast<std::uint32_t>(dice.Chance(0.7) ? 1 : dice.Between(1, size.fewest_slots)));
  const std::int64_t fits =
      static_cast<std::int64_t>(size.hosts) * (size.fewest_slots / static_cast<std::int64_t>(spec.slots_per_rank()));
  const std::int64_t most = dice.Chance(0.05) ? fits : std::max<std::int64_t>(1, fits / dice.Between(4, 40));
  spec.set_ranks(static_cast<std::uint32_t>(dice.Between(1, most)));
  spec.set_retries(static_cast<std::uint32_t>(dice.Between(0, 5)));
  spec.set_preemptible(dice.Chance(0.6));
  return spec;
}

Work WorkOf(Dice& dice) {
  Work work;
  work.stage = dice.Chance(0.6) ? v1::STAGE_TRAIN : v1::STAGE_TARGETS;
  work.steps = static_cast<std::uint64_t>(dice.Between(1, 60));
  work.step_ms = dice.Between(100, dice.Chance(0.1) ? 20'000 : 3'000);
  work.checkpoint_every = static_cast<std::uint64_t>(dice.Between(1, 10));
  work.hopeless = dice.Chance(0.03);
  return work;
}

class Writer {
 public:
  Writer(std::uint64_t seed, const Size& size) : size_(size), dice_(MixKey({seed, 1})) {
    scenario_.seed = seed;
    scenario_.daemon = seed % 4 != 0;
  }

  Scenario Write() && {
    Inventory();
    Decisions();
    scenario_.safety_ms = dice_.Between(5, 20) * 60'000;
    while (scenario_.jobs < size_.jobs) Pipeline();
    for (int i = 0; i < 2; ++i) BadSubmit();
    People();
    scenario_.weather = WeatherOf(dice_);
    return std::move(scenario_);
  }

 private:
  void Inventory() {
    for (std::size_t i = 0; i < size_.hosts; ++i) {
      auto& host = scenario_.hosts.emplace_back();
      host.set_name(fmt::format("node{:03}", i));
      host.set_slots(static_cast<std::uint32_t>(dice_.Between(size_.fewest_slots, size_.most_slots)));
    }
  }

  void Decisions() {
    auto& scheduler = scenario_.decisions.scheduler;
    scheduler.ageing_ms_per_point = dice_.Chance(0.3) ? 0 : dice_.Between(1'000, 600'000);
    scheduler.default_duration_ms = dice_.Between(60'000, 600'000);
    scheduler.reservations = static_cast<std::uint32_t>(dice_.Chance(0.5) ? dice_.Between(1, 8) : 64);
    const bool large = size_.jobs > 200;
    scenario_.report_ms = large ? 15'000 : dice_.Between(1'000, 5'000);
    scenario_.decide_ms = large ? 1'000 : dice_.Between(0, 200);
  }

  void Pipeline() {
    PlannedSubmit planned;
    planned.at_ms = dice_.Between(0, scenario_.safety_ms * 2 / 3);
    const std::size_t number = scenario_.submits.size();
    planned.submit.set_key(fmt::format("key-{}", number));
    planned.submit.set_name(fmt::format("pipeline-{}", number));
    planned.submit.set_held(dice_.Chance(0.05));
    const std::int64_t jobs =
        std::min<std::int64_t>(dice_.Between(1, 8), 1 + static_cast<std::int64_t>(size_.jobs / 4));
    for (std::int64_t i = 1; i <= jobs; ++i) {
      const bool shared = dice_.Chance(0.2) && !digests_.empty();
      const std::string digest =
          shared ? digests_[dice_.Index(digests_.size())] : fmt::format("digest-{}-{}", number, i);
      if (!shared) digests_.push_back(digest);
      if (!scenario_.work.contains(digest)) scenario_.work[digest] = WorkOf(dice_);
      const Work& work = scenario_.work[digest];
      JobSpec& spec = *planned.submit.add_jobs();
      spec = SpecOf(dice_, fmt::format("pipeline-{}/{}", number, i), work.stage, digest, size_);
      for (std::int64_t earlier = 1; earlier < i; ++earlier)
        if (dice_.Chance(0.3)) spec.add_depends_on(static_cast<std::uint64_t>(earlier));
      const auto length = static_cast<std::int64_t>(work.steps) * work.step_ms;
      if (dice_.Chance(0.5)) spec.set_time_limit_ms(dice_.Chance(0.1) ? length / 2 + 1 : length * 2 + 30'000);
      ++scenario_.jobs;
    }
    scenario_.submits.push_back(std::move(planned));
  }

  // A submission that must be refused every time.
  void BadSubmit() {
    PlannedSubmit planned;
    planned.at_ms = dice_.Between(0, scenario_.safety_ms);
    planned.valid = false;
    planned.submit.set_key(fmt::format("bad-{}", scenario_.submits.size()));
    planned.submit.set_name(kBadName);
    for (int i = 0; i < 2; ++i) *planned.submit.add_jobs() = SpecOf(dice_, "bad", v1::STAGE_TRAIN, "digest-bad", size_);
    if (dice_.Chance(0.5)) {
      planned.submit.mutable_jobs(0)->add_depends_on(2);
      planned.submit.mutable_jobs(1)->add_depends_on(1);
    } else {
      planned.submit.mutable_jobs(1)->set_ranks(900'000);
    }
    scenario_.submits.push_back(std::move(planned));
  }

  void People() {
    const auto acts = dice_.Between(0, static_cast<std::int64_t>(scenario_.jobs) / 4);
    constexpr v1::JobVerb kVerbs[] = {v1::JOB_VERB_CANCEL,  v1::JOB_VERB_HOLD,         v1::JOB_VERB_RELEASE,
                                      v1::JOB_VERB_REQUEUE, v1::JOB_VERB_SET_PRIORITY, v1::JOB_VERB_RELEASE};
    for (std::int64_t i = 0; i < acts; ++i) {
      scenario_.acts.push_back({.at_ms = dice_.Between(0, scenario_.safety_ms),
                                .verb = kVerbs[dice_.Index(std::size(kVerbs))],
                                .drain = dice_.Chance(0.2),
                                .attach = dice_.Chance(0.2),
                                .dice = dice_.Key()});
    }
  }

  Size size_;
  Dice dice_;
  Scenario scenario_;
  std::vector<std::string> digests_;
};

}  // namespace

std::string Scenario::Text() const {
  std::uint64_t slots = 0;
  for (const auto& host : hosts) slots += host.slots();
  return fmt::format(
      "{}: {} jobs in {} submissions, {} slots on {} hosts, {} acts of people; loss {:.2f}, duplicates "
      "{:.2f}, late {:.2f}, rank deaths {:.2f}, launch failures {:.2f}, torn commits {:.3f}, "
      "unanswered probes {:.2f}; mean s between crashes of the coordinator {}, agents {}, hosts {}, cuts of agents "
      "{}, hosts {}, full disks {}",
      daemon ? "the daemon" : "the simulator's coordinator", jobs, submits.size(), slots, hosts.size(), acts.size(),
      weather.loss, weather.duplicate, weather.late, weather.rank_death, weather.launch_failure, weather.torn_commit,
      weather.unanswered, weather.coordinator_crash_ms / 1000, weather.agent_crash_ms / 1000,
      weather.host_crash_ms / 1000, weather.agent_cut_ms / 1000, weather.host_cut_ms / 1000,
      weather.disk_full_ms / 1000);
}

Scenario ScenarioOf(std::uint64_t seed) {
  if (seed % 101 == 0) return FullScenarioOf(seed);
  Dice dice(MixKey({seed, 0}));
  Size size{.jobs = static_cast<std::size_t>(dice.Between(20, 100)),
            .hosts = static_cast<std::size_t>(dice.Between(1, 12)),
            .fewest_slots = dice.Between(1, 4),
            .most_slots = dice.Between(4, 16)};
  if (seed % 21 == 0) size = {.jobs = 300, .hosts = 60, .fewest_slots = 8, .most_slots = 32};
  return Writer(seed, size).Write();
}

Scenario FullScenarioOf(std::uint64_t seed) {
  return Writer(seed, {.jobs = 1000, .hosts = 320, .fewest_slots = 32, .most_slots = 32}).Write();
}

}  // namespace still::sim
