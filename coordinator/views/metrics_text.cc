#include "coordinator/views/metrics_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>
#include <vector>

#include "common/proto/view.pb.h"
#include "coordinator/views/view_parts.h"

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

// Returns the number as the format writes it.
std::string SampleText(double value) {
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
    text_ += fmt::format("{}{}\n", labels.empty() ? " " : "} ", SampleText(value));
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
  std::string name_;
};

// A job that has not ended, as `still top` shows it.
struct LiveView {
  v1::JobView view;
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
  for (const auto& [id, job] : state.jobs()) ++counts[job.state()];
  out->Family("stillhouse_jobs", "gauge", "Jobs on record by state.");
  for (const auto& [possible, word] : WordsOf(*v1::JobState_descriptor()))
    out->Sample({{"state", word}}, counts[possible]);
}

void WriteProgress(const std::vector<LiveView>& jobs, Exposition* out) {
  out->Family("stillhouse_job_progress_ratio", "gauge", "Done of what the job has to do, 0 to 1.");
  for (const auto& [view, job, live, labels] : jobs) {
    const auto& progress = view.progress();
    if (progress.total() == 0) continue;
    out->Sample(labels, static_cast<double>(progress.done()) / static_cast<double>(progress.total()));
  }
  out->Family("stillhouse_job_done_units", "gauge", "Units done.");
  for (const auto& [view, job, live, labels] : jobs) {
    if (!view.has_progress()) continue;
    out->Sample(With(labels, "unit", EnumWord(view.progress().unit())), static_cast<double>(view.progress().done()));
  }
  out->Family("stillhouse_job_tokens_per_second", "gauge", "Useful tokens per second, mean of the last 30 seconds.");
  for (const auto& [view, job, live, labels] : jobs) {
    if (view.has_progress()) out->Sample(labels, view.progress().tokens_per_second());
  }
  out->Family("stillhouse_job_loss", "gauge", "Loss of the last step reported.");
  for (const auto& [view, job, live, labels] : jobs) {
    if (const auto loss = view.values().find("loss"); loss != view.values().end()) out->Sample(labels, loss->second);
  }
}

void WriteSurvival(const std::vector<LiveView>& jobs, Exposition* out) {
  out->Family("stillhouse_job_generation", "gauge", "Fencing number of the launch: rises with every one.");
  for (const auto& [view, job, live, labels] : jobs) out->Sample(labels, static_cast<double>(view.generation()));
  out->Family("stillhouse_job_attempts", "gauge", "How many times the job got slots.");
  for (const auto& [view, job, live, labels] : jobs) out->Sample(labels, static_cast<double>(view.attempt()));
  out->Family("stillhouse_job_failures", "gauge",
              "Attempts in a row that died; one that gained a step counts as the first.");
  for (const auto& [view, job, live, labels] : jobs) out->Sample(labels, view.failures());
  out->Family("stillhouse_job_recoveries_total", "counter", "Recoveries within attempts by cause, since heard.");
  for (const auto& [view, job, live, labels] : jobs) {
    if (live == nullptr) continue;
    for (const auto& [cause, count] : live->recoveries)
      out->Sample(With(labels, "cause", EnumWord(cause)), static_cast<double>(count));
  }
}

void WriteRanks(const std::vector<LiveView>& jobs, const LiveJobs& reports, UnixMs now, Exposition* out) {
  out->Family("stillhouse_job_ranks", "gauge", "Ranks by the phase they were last seen in.");
  for (const auto& [view, job, live, labels] : jobs) {
    std::map<v1::Phase, int> phases;
    for (const v1::RankState& rank : view.members()) ++phases[rank.phase()];
    for (const auto& [phase, count] : phases) out->Sample(With(labels, "phase", EnumWord(phase)), count);
  }
  out->Family("stillhouse_job_heartbeat_age_seconds", "gauge", "Since the job's agent was last heard.");
  for (const auto& [view, job, live, labels] : jobs) {
    if (view.has_slots()) out->Sample(labels, static_cast<double>(reports.SilenceMs(*job, now)) / 1000.0);
  }
  out->Family("stillhouse_job_flag", "gauge", "1 while the flag is up; absent while it is not.");
  for (const auto& [view, job, live, labels] : jobs) {
    for (const int flag : view.flags()) out->Sample(With(labels, "flag", EnumWord(static_cast<v1::JobFlag>(flag))), 1);
  }
}

void WriteTimes(const std::vector<LiveView>& jobs, UnixMs now, Exposition* out) {
  out->Family("stillhouse_job_goodput_seconds", "gauge", "Seconds of the gang by what they went into.");
  for (const auto& [view, job, live, labels] : jobs) {
    for (const v1::GoodputTime& time : view.goodput())
      out->Sample(With(labels, "kind", EnumWord(time.kind())), time.seconds());
  }
  out->Family("stillhouse_job_queue_wait_seconds", "gauge", "How long a waiting job has been waiting by now.");
  for (const auto& [view, job, live, labels] : jobs) {
    if (!view.has_slots()) out->Sample(labels, std::max(0.0, static_cast<double>(now - view.since_ms()) / 1000.0));
  }
  out->Family("stillhouse_job_queue_position", "gauge", "Place in the queue, from 1.");
  for (const auto& [view, job, live, labels] : jobs) {
    if (view.position() != 0) out->Sample(labels, view.position());
  }
}

void WriteHosts(const v1::View& view, Exposition* out) {
  out->Family("stillhouse_host_slots", "gauge", "Slots of the host.");
  for (const v1::HostView& host : view.hosts()) out->Sample({{"host", host.name()}}, host.slots());
  out->Family("stillhouse_host_slots_free", "gauge", "Slots that no job holds; of a host that is closed, too.");
  for (const v1::HostView& host : view.hosts()) out->Sample({{"host", host.name()}}, host.free());
  out->Family("stillhouse_host_state", "gauge", "1 for the state the host is in.");
  for (const v1::HostView& host : view.hosts()) {
    for (const auto& [possible, word] : WordsOf(*v1::HostState_descriptor()))
      out->Sample({{"host", host.name()}, {"state", word}}, host.state() == possible ? 1 : 0);
  }
}

}  // namespace

std::string MetricsText(const State& state, const LiveJobs& live, const std::map<std::uint64_t, Wait>& waits,
                        const CoordinatorFacts& facts, UnixMs now) {
  const PartSources from = {state, live, waits, now};
  std::vector<LiveView> jobs;
  for (const std::uint64_t id : state.live()) {
    const v1::Job* const job = state.FindJob(id);
    if (job == nullptr) continue;
    jobs.push_back({{}, job, live.Find(id), {{"job", fmt::to_string(id)}, {"name", job->spec().name()}}});
    FillJob(from, *job, &jobs.back().view);
    FillMembers(from, *job, &jobs.back().view);
  }
  v1::View hosts;
  AddHosts(from, &hosts);
  Exposition out;
  WriteJobCounts(state, &out);
  WriteProgress(jobs, &out);
  WriteSurvival(jobs, &out);
  WriteRanks(jobs, live, now, &out);
  WriteTimes(jobs, now, &out);
  WriteHosts(hosts, &out);
  out.Family("stillhouse_journal_sequence", "counter", "Events on record.");
  out.Sample({}, static_cast<double>(facts.journal_sequence));
  out.Family("stillhouse_uptime_seconds", "gauge", "Since this coordinator started.");
  out.Sample({}, static_cast<double>(now - facts.started_ms) / 1000.0);
  out.Family("stillhouse_storage_degraded", "gauge", "1 while the coordinator's disk does not take what it writes.");
  out.Sample({}, live.storage_trouble().empty() ? 0 : 1);
  return out.Take();
}

}  // namespace still::coordinator
