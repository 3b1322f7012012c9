#include "coordinator/views/metrics_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "coordinator/views/views.h"

namespace still::coordinator {
namespace {

using Labels = std::vector<std::pair<std::string_view, std::string>>;

std::string Escaped(const std::string& value) {
  std::string text;
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    if (c == '\n') {
      text += "\\n";
    } else {
      text += c;
    }
  }
  return text;
}

std::string Number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

// Writes one family after another, because the format wants all samples of a family together.
class Exposition {
 public:
  void Family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    text_ += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
  }
  void Sample(const Labels& labels, double value) {
    text_ += name_;
    const char* separator = "{";
    for (const auto& [label, text] : labels) {
      text_ += fmt::format("{}{}=\"{}\"", separator, label, Escaped(text));
      separator = ",";
    }
    text_ += fmt::format("{}{}\n", labels.empty() ? " " : "} ", Number(value));
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
  std::string name_;
};

struct JobFacts {
  const v1::Job* job;
  const LiveJob* live;  // null: no report yet
  Labels labels;
};

Labels With(Labels labels, std::string_view name, std::string value) {
  labels.emplace_back(name, std::move(value));
  return labels;
}

void WriteJobCounts(const State& state, Exposition* out) {
  std::map<int, int> counts;
  for (int i = v1::JOB_HELD; i <= v1::JobState_MAX; ++i) counts[i] = 0;
  for (const auto& [id, job] : state.jobs()) ++counts[job.state()];
  out->Family("stillhouse_jobs", "gauge", "Jobs on record by state.");
  for (const auto& [number, count] : counts) {
    out->Sample({{"state", EnumWord(static_cast<v1::JobState>(number))}}, count);
  }
}

void WriteProgress(const std::vector<JobFacts>& jobs, Exposition* out) {
  const auto with_progress = [&](const std::function<void(const JobFacts&)>& write) {
    for (const JobFacts& facts : jobs) {
      if (facts.live != nullptr && facts.live->progress.has_value()) write(facts);
    }
  };
  out->Family("stillhouse_job_progress_ratio", "gauge", "Done of what the job has to do, 0 to 1.");
  with_progress([&](const JobFacts& facts) {
    const auto& progress = *facts.live->progress;
    if (progress.total() == 0) return;
    out->Sample(facts.labels, static_cast<double>(progress.done()) / static_cast<double>(progress.total()));
  });
  out->Family("stillhouse_job_done_units", "gauge", "Steps, or sequences, done.");
  with_progress([&](const JobFacts& facts) {
    out->Sample(With(facts.labels, "unit", facts.live->progress->unit()),
                static_cast<double>(facts.live->progress->done()));
  });
  out->Family("stillhouse_job_tokens_per_second", "gauge", "Useful tokens per second, mean of the last 30 seconds.");
  with_progress([&](const JobFacts& facts) {
    const bool runs = HoldsSlots(facts.job->state()) && facts.live->attempt == facts.job->attempt();
    out->Sample(facts.labels, runs ? facts.live->tokens_per_second.value_or(0) : 0);
  });
  out->Family("stillhouse_job_loss", "gauge", "Loss of the last step reported.");
  with_progress([&](const JobFacts& facts) {
    const auto loss = facts.live->progress->values().find("loss");
    if (loss != facts.live->progress->values().end()) out->Sample(facts.labels, loss->second);
  });
}

void WriteSurvival(const std::vector<JobFacts>& jobs, Exposition* out) {
  out->Family("stillhouse_job_generation", "gauge", "Fencing number of the launch: rises with every one.");
  for (const JobFacts& facts : jobs) {
    const std::uint64_t live = facts.live == nullptr ? 0 : facts.live->generation;
    out->Sample(facts.labels, static_cast<double>(std::max(facts.job->generation(), live)));
  }
  out->Family("stillhouse_job_attempts", "gauge", "How many times the job got slots.");
  for (const JobFacts& facts : jobs) out->Sample(facts.labels, static_cast<double>(facts.job->attempt()));
  out->Family("stillhouse_job_failures", "gauge",
              "Attempts in a row that died; one that gained a step counts as the first.");
  for (const JobFacts& facts : jobs) out->Sample(facts.labels, facts.job->failures());
  out->Family("stillhouse_job_recoveries_total", "counter", "Recoveries within attempts by cause, since heard.");
  for (const JobFacts& facts : jobs) {
    if (facts.live == nullptr) continue;
    for (const auto& [cause, count] : facts.live->recoveries) {
      out->Sample(With(facts.labels, "cause", EnumWord(cause)), static_cast<double>(count));
    }
  }
}

void WriteRanks(const std::vector<JobFacts>& jobs, const LiveJobs& live, UnixMs now, Exposition* out) {
  out->Family("stillhouse_job_ranks", "gauge", "Ranks by the phase they were last seen in.");
  for (const JobFacts& facts : jobs) {
    if (facts.live == nullptr || !HoldsSlots(facts.job->state())) continue;
    std::map<v1::Phase, int> phases;
    for (const auto& rank : facts.live->ranks) ++phases[rank.phase()];
    for (const auto& [phase, count] : phases) out->Sample(With(facts.labels, "phase", EnumWord(phase)), count);
  }
  out->Family("stillhouse_job_heartbeat_age_seconds", "gauge", "Since the job's agent was last heard.");
  for (const JobFacts& facts : jobs) {
    if (!HoldsSlots(facts.job->state())) continue;
    out->Sample(facts.labels, static_cast<double>(live.SilenceMs(*facts.job, now)) / 1000.0);
  }
  out->Family("stillhouse_job_flag", "gauge", "1 while the flag is up; absent while it is not.");
  for (const JobFacts& facts : jobs) {
    for (const v1::JobFlag flag : live.FlagsOf(*facts.job, now))
      out->Sample(With(facts.labels, "flag", EnumWord(flag)), 1);
  }
}

void WriteGoodput(const std::vector<JobFacts>& jobs, const LiveJobs& live, const std::map<std::uint64_t, Wait>& waits,
                  UnixMs now, Exposition* out) {
  out->Family("stillhouse_job_goodput_seconds", "gauge", "Seconds of the gang by what they went into.");
  for (const JobFacts& facts : jobs) {
    const Goodput goodput = live.GoodputOf(*facts.job, now);
    for (int kind = 1; kind < v1::GoodputKind_ARRAYSIZE; ++kind) {
      out->Sample(With(facts.labels, "kind", EnumWord(static_cast<v1::GoodputKind>(kind))),
                  goodput[static_cast<std::size_t>(kind)]);
    }
  }
  out->Family("stillhouse_job_queue_wait_seconds", "gauge", "How long a waiting job has been waiting by now.");
  for (const JobFacts& facts : jobs) {
    if (HoldsSlots(facts.job->state())) continue;
    out->Sample(facts.labels, std::max(0.0, static_cast<double>(now - facts.job->since_ms()) / 1000.0));
  }
  out->Family("stillhouse_job_queue_position", "gauge", "Place in the queue, from 1.");
  for (const JobFacts& facts : jobs) {
    const auto wait = waits.find(facts.job->id());
    if (HoldsSlots(facts.job->state()) || wait == waits.end() || wait->second.position == 0) continue;
    out->Sample(facts.labels, wait->second.position);
  }
}

void WriteHosts(const State& state, UnixMs now, Exposition* out) {
  const auto in_use = SlotsInUse(state);
  out->Family("stillhouse_host_slots", "gauge", "Slots of the host.");
  for (const auto& [name, host] : state.hosts()) out->Sample({{"host", name}}, host.slots());
  out->Family("stillhouse_host_slots_free", "gauge", "Slots that no job holds; of a host that is closed, too.");
  for (const auto& [name, host] : state.hosts()) {
    const auto used = in_use.find(name);
    const std::uint32_t slots_used = used == in_use.end() ? 0 : used->second;
    out->Sample({{"host", name}}, host.slots() - std::min(host.slots(), slots_used));
  }
  out->Family("stillhouse_host_state", "gauge", "1 for the state the host is in.");
  for (const auto& [name, host] : state.hosts()) {
    for (int possible = 1; possible < v1::HostState_ARRAYSIZE; ++possible) {
      out->Sample({{"host", name}, {"state", EnumWord(static_cast<v1::HostState>(possible))}},
                  HostStateOf(host, now) == possible ? 1 : 0);
    }
  }
}

}  // namespace

std::string MetricsText(const State& state, const LiveJobs& live, const std::map<std::uint64_t, Wait>& waits,
                        const CoordinatorFacts& facts, UnixMs now) {
  Exposition out;
  std::vector<JobFacts> jobs;
  for (const std::uint64_t id : state.live()) {
    const v1::Job* job = state.FindJob(id);
    if (job == nullptr) continue;
    jobs.push_back({job, live.Find(id), {{"job", fmt::format("{}", id)}, {"name", job->spec().name()}}});
  }
  WriteJobCounts(state, &out);
  WriteProgress(jobs, &out);
  WriteSurvival(jobs, &out);
  WriteRanks(jobs, live, now, &out);
  WriteGoodput(jobs, live, waits, now, &out);
  WriteHosts(state, now, &out);
  out.Family("stillhouse_journal_sequence", "counter", "Events on record.");
  out.Sample({}, static_cast<double>(facts.journal_sequence));
  out.Family("stillhouse_uptime_seconds", "gauge", "Since this coordinator started.");
  out.Sample({}, static_cast<double>(now - facts.started_ms) / 1000.0);
  out.Family("stillhouse_storage_degraded", "gauge", "1 while the coordinator's disk does not take what it writes.");
  out.Sample({}, live.storage_trouble().empty() ? 0 : 1);
  return out.Take();
}

}  // namespace still::coordinator
