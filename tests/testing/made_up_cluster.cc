#include "tests/testing/made_up_cluster.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <utility>

#include "common/random.h"

namespace still::testing {
namespace {

using coordinator::Changes;
using v1::AgentReport;
using v1::Cause;
using v1::HistoryEvent;
using v1::Host;
using v1::Job;
using v1::JobState;
using v1::Stage;

constexpr UnixMs kNow = MadeUpCluster::kNow;
constexpr std::int64_t kMinute = 60'000;

struct JobText {
  std::uint64_t id;
  std::uint64_t pipeline;
  const char* name;
  Stage stage;
  JobState state;
  Cause cause;
  const char* message = "";
  std::uint32_t ranks = 4;
  std::vector<std::pair<const char*, std::uint32_t>> placement = {};
  std::uint64_t generation = 0;
};

Job MakeJob(const JobText& text) {
  Job job;
  job.set_id(text.id);
  job.set_pipeline(text.pipeline);
  job.set_state(text.state);
  job.set_cause(text.cause);
  job.set_message(text.message);
  job.set_log_path(fmt::format("/var/lib/stillhouse/jobs/{}/1/ranks.log", text.id));
  auto* spec = job.mutable_spec();
  spec->set_name(text.name);
  spec->set_owner(text.pipeline == 2 ? "bob" : "alice");
  spec->set_stage(text.stage);
  spec->set_artifacts_root("/data/stillhouse/artifacts");
  spec->set_digest("4be1c2d09f3a7e56");
  spec->set_ranks(text.ranks);
  spec->set_slots_per_rank(1);
  spec->set_retries(3);
  spec->set_preemptible(true);
  job.set_submitted_ms(kNow - 130 * kMinute - static_cast<std::int64_t>(text.id) * 1000);
  job.set_since_ms(kNow - 3 * kMinute);
  const bool began = !text.placement.empty();
  job.set_attempt(began ? 1 : 0);
  if (began) job.set_started_ms(kNow - 118 * kMinute);
  for (const auto& [host, ranks] : text.placement) {
    auto* share = job.add_placement();
    share->set_host(host);
    share->set_ranks(ranks);
  }
  if (coordinator::IsTerminal(text.state)) {
    job.set_ended_ms(kNow - (20 - static_cast<std::int64_t>(text.id)) * 7 * kMinute);
    job.set_started_ms(job.ended_ms() - 6 * kMinute);
  }
  job.set_generation(text.generation);
  return job;
}

std::vector<Job> MakeJobs() {
  std::vector<Job> jobs;
  for (const JobText& text : std::initializer_list<JobText>{
           {1,
            1,
            "demo/corpus",
            v1::STAGE_CORPUS,
            v1::JOB_SUCCEEDED,
            v1::CAUSE_DONE,
            "24,310 documents in 48 shards",
            1,
            {{"node-a", 1}}},
           {2, 1, "demo/teacher", v1::STAGE_TEACHER, v1::JOB_SUCCEEDED, v1::CAUSE_REUSED, "made by job 31 of carol", 2},
           {3, 1, "demo/targets", v1::STAGE_TARGETS, v1::JOB_SUCCEEDED, v1::CAUSE_DONE, "", 8, {{"node-a", 8}}, 2},
           {4,
            1,
            "demo/train",
            v1::STAGE_TRAIN,
            v1::JOB_RUNNING,
            v1::CAUSE_STARTED,
            "",
            8,
            {{"node-a", 4}, {"node-b", 4}},
            7},
           {5,
            2,
            "ablation/full/train",
            v1::STAGE_TRAIN,
            v1::JOB_RUNNING,
            v1::CAUSE_STARTED,
            "",
            4,
            {{"node-b", 4}},
            3},
           {6,
            2,
            "ablation/no-mlm/train",
            v1::STAGE_TRAIN,
            v1::JOB_RECOVERING,
            v1::CAUSE_HOST_LOST,
            "node-d was not heard for 10 s",
            4,
            {{"node-d", 4}},
            5},
           {7, 2, "ablation/no-cos/train", v1::STAGE_TRAIN, v1::JOB_PENDING, v1::CAUSE_SUBMITTED, "", 8},
           {8, 2, "ablation/no-ce/train", v1::STAGE_TRAIN, v1::JOB_PENDING, v1::CAUSE_SUBMITTED, "", 4},
           {9, 2, "ablation/random-init/train", v1::STAGE_TRAIN, v1::JOB_HELD, v1::CAUSE_USER, "held by alice", 4},
           {10,
            3,
            "nightly/evaluate",
            v1::STAGE_EVALUATE,
            v1::JOB_RUNNING,
            v1::CAUSE_STARTED,
            "",
            1,
            {{"node-a", 1}},
            1},
           {11, 3, kHostileName, v1::STAGE_TRAIN, v1::JOB_PENDING, v1::CAUSE_SUBMITTED, "", 2},
           {12,
            3,
            "wikipedia/targets",
            v1::STAGE_TARGETS,
            v1::JOB_RUNNING,
            v1::CAUSE_STARTED,
            "",
            2,
            {{"node-a", 2}},
            1},
           {13, 3, "broken/train", v1::STAGE_TRAIN, v1::JOB_FAILED, v1::CAUSE_ERROR, kNotUtf8, 2, {{"node-a", 2}}, 2},
           {14,
            3,
            "old/train",
            v1::STAGE_TRAIN,
            v1::JOB_CANCELLED,
            v1::CAUSE_USER,
            "cancelled by bob",
            2,
            {{"node-b", 2}},
            4},
           {15,
            3,
            "low-priority/train",
            v1::STAGE_TRAIN,
            v1::JOB_PREEMPTING,
            v1::CAUSE_PREEMPTED,
            "makes way for job 7",
            2,
            {{"node-e.rack-17.cluster.example.internal", 2}},
            2},
       }) {
    jobs.push_back(MakeJob(text));
  }
  jobs[6 - 1].set_failures(1);
  jobs[6 - 1].set_eligible_ms(kNow + 8000);
  jobs[7 - 1].mutable_spec()->set_priority(100);
  jobs[8 - 1].mutable_spec()->add_depends_on(4);
  jobs[4 - 1].mutable_spec()->add_depends_on(3);
  jobs[4 - 1].mutable_spec()->set_time_limit_ms(8 * 60 * kMinute);
  jobs[4 - 1].set_recoveries(2);
  jobs[4 - 1].mutable_last_recovery()->set_at_ms(kNow - 41 * kMinute);
  jobs[4 - 1].mutable_last_recovery()->set_cause(v1::CAUSE_PROCESS_DEATH);
  jobs[4 - 1].mutable_last_recovery()->set_message(
      "rank 3 died in compute of step 4810; generation 7 goes on in place");
  return jobs;
}

Host MakeHost(const char* name, std::uint32_t slots) {
  Host host;
  host.set_name(name);
  host.set_slots(slots);
  return host;
}

std::vector<Host> MakeHosts() {
  std::vector<Host> hosts = {MakeHost("node-a", 8), MakeHost("node-b", 8), MakeHost("node-c", 8), MakeHost("node-d", 4),
                             MakeHost("node-e.rack-17.cluster.example.internal", 2)};
  hosts[2].set_drained(true);
  hosts[2].set_drain_reason("drained by alice: disk swap");
  hosts[3].set_failures(3);
  hosts[3].set_blacklisted_until_ms(kNow + 540'000);
  return hosts;
}

HistoryEvent MakeEvent(std::int64_t minutes_ago, std::uint64_t job, JobState from, JobState to, Cause cause,
                       const char* actor, const char* message) {
  HistoryEvent event;
  event.set_at_ms(kNow - minutes_ago * kMinute);
  event.set_job(job);
  event.set_from(from);
  event.set_to(to);
  event.set_cause(cause);
  event.set_actor(actor);
  event.set_message(message);
  return event;
}

std::vector<HistoryEvent> MakeEvents() {
  std::vector<HistoryEvent> events = {
      MakeEvent(130, 4, v1::JOB_STATE_UNSPECIFIED, v1::JOB_PENDING, v1::CAUSE_SUBMITTED, "alice", "pipeline 1"),
      MakeEvent(118, 4, v1::JOB_PENDING, v1::JOB_STARTING, v1::CAUSE_SCHEDULED, "scheduler", "node-a:4, node-b:4"),
      MakeEvent(118, 4, v1::JOB_STARTING, v1::JOB_RUNNING, v1::CAUSE_STARTED, "agent", ""),
      MakeEvent(61, 4, v1::JOB_RUNNING, v1::JOB_RUNNING, v1::CAUSE_PROCESS_DEATH, "agent",
                "rank 3 died in compute of step 4810; generation 7 goes on in place with 8 ranks"),
      MakeEvent(40, 11, v1::JOB_STATE_UNSPECIFIED, v1::JOB_PENDING, v1::CAUSE_SUBMITTED, "<b>mallory</b>",
                kHostileName),
      MakeEvent(25, 0, v1::JOB_STATE_UNSPECIFIED, v1::JOB_STATE_UNSPECIFIED, v1::CAUSE_USER, "alice",
                "drained by alice: disk swap"),
      MakeEvent(20, 9, v1::JOB_PENDING, v1::JOB_HELD, v1::CAUSE_USER, "alice", "held by alice"),
      MakeEvent(3, 6, v1::JOB_RUNNING, v1::JOB_RECOVERING, v1::CAUSE_HOST_LOST, "agent",
                "node-d was not heard for 10 s"),
      MakeEvent(1, 15, v1::JOB_RUNNING, v1::JOB_PREEMPTING, v1::CAUSE_PREEMPTED, "scheduler", "makes way for job 7")};
  events[5].set_host("node-c");
  for (std::size_t i = 0; i < events.size(); ++i) events[i].set_sequence(41 + i);
  return events;
}

struct ReportText {
  std::uint64_t job;
  std::uint64_t generation;
  std::uint32_t ranks;
  const char* host;
  v1::ProgressUnit unit;
  std::uint64_t done;  // at the end
  std::uint64_t total;
  double tokens_per_unit;
  double loss;  // at the end; 0: none
  std::int64_t silent_ms = 0;
};

// A report a second for ten minutes, up to now.
void Report(const ReportText& text, coordinator::LiveJobs* live) {
  KeyedRandom random(text.job);
  const std::uint64_t seconds = 600;
  for (std::uint64_t second = 0; second <= seconds; ++second) {
    AgentReport report;
    report.set_job(text.job);
    report.set_attempt(1);
    report.set_sequence(second + 1);
    report.set_generation(text.generation);
    report.set_running(true);
    const double share = static_cast<double>(second) / static_cast<double>(seconds);
    auto* progress = report.mutable_progress();
    // A death at half time: twelve seconds without a step.
    const double working = static_cast<double>(second > 312 ? second - 12 : std::min<std::uint64_t>(second, 300));
    const double before = static_cast<double>(text.done) / static_cast<double>(seconds - 12) * working;
    progress->set_done(second == seconds ? text.done : static_cast<std::uint64_t>(before));
    progress->set_total(text.total);
    progress->set_unit(text.unit);
    const double wobble = 0.03 * std::sin(working / 9) + 0.02 * std::sin(working / 31);
    progress->set_tokens(
        static_cast<std::uint64_t>(before * text.tokens_per_unit + 20 * text.tokens_per_unit * wobble));
    if (text.loss > 0) {
      (*progress->mutable_values())["loss"] = text.loss + 7.5 * std::exp(-6 * share) + 0.12 * random.NextUnit();
      (*progress->mutable_values())["kl"] = 0.4 * text.loss;
      (*progress->mutable_values())["lr"] = 5e-4 * (1 - 0.6 * share);
    }
    const double mean = static_cast<double>(text.ranks) * static_cast<double>(second) * 11.0;
    report.clear_phase_seconds();
    const auto add_seconds = [&report](v1::Phase phase, double spent) {
      auto& time = *report.add_phase_seconds();
      time.set_phase(phase);
      time.set_seconds(spent);
    };
    add_seconds(v1::PHASE_COMPUTE, 0.85 * mean);
    add_seconds(v1::PHASE_DATA, 0.02 * mean);
    add_seconds(v1::PHASE_REDUCE, 0.05 * mean);
    add_seconds(v1::PHASE_VOTE, 0.005 * mean);
    add_seconds(v1::PHASE_OPTIMIZER, 0.02 * mean);
    add_seconds(v1::PHASE_CHECKPOINT, 0.012 * mean);
    add_seconds(v1::PHASE_SNAPSHOT, 0.008 * mean);
    add_seconds(v1::PHASE_RESTORE, 0.01 * mean);
    add_seconds(v1::PHASE_START, 0.015 * mean);
    for (std::uint32_t rank = 0; rank < text.ranks; ++rank) {
      auto* at = report.add_ranks();
      at->set_rank(rank);
      at->set_pid(41'000 + rank);
      at->set_host(text.job == 4 && rank >= 4 ? "node-b" : text.host);
      const bool straggler = text.job == 5 && rank == 2;
      at->set_phase(text.loss == 0                ? v1::PHASE_INFERENCE
                    : text.job == 5 && !straggler ? v1::PHASE_REDUCE
                    : rank == 5                   ? v1::PHASE_REDUCE
                                                  : v1::PHASE_COMPUTE);
      at->set_step(text.loss == 0 ? 0 : progress->done());
      at->set_phase_seconds(text.job == 5 ? (straggler ? 0.4 : 14.2) : 0.1 * (rank + 1));
    }
    if (text.job == 4 && second == 305) {
      auto& recovery = *report.add_recoveries();
      recovery.set_generation(report.generation() + 1);
      recovery.mutable_death()->add_ranks(3);
      recovery.mutable_death()->set_cause(v1::DEATH_CAUSE_DIED);
      recovery.mutable_death()->set_phase(v1::PHASE_COMPUTE);
      recovery.mutable_death()->set_step(4810);
    }
    if (text.job == 5) report.set_storage_trouble("rank 0: no space left on /data; 2 checkpoints are kept");
    live->OnReport(report, kNow - text.silent_ms - static_cast<std::int64_t>(seconds - second) * 1000);
  }
}

}  // namespace

MadeUpCluster::MadeUpCluster() {
  Changes changes;
  changes.jobs = MakeJobs();
  changes.hosts = MakeHosts();
  changes.events = events = MakeEvents();
  for (std::uint64_t id = 1; id <= 3; ++id) {
    v1::Pipeline pipeline;
    pipeline.set_id(id);
    changes.pipelines.push_back(pipeline);
  }
  state.Apply(changes);
  live.Restarted({kReconciling}, kNow - 2000);
  Report({kRunning, 7, 8, "node-a", v1::PROGRESS_UNIT_STEPS, 9182, 15'000, 2100, 2.71}, &live);
  Report({kStraggling, 3, 4, "node-b", v1::PROGRESS_UNIT_STEPS, 1204, 15'000, 1900, 3.95}, &live);
  Report({kUnreachable, 1, 2, "node-a", v1::PROGRESS_UNIT_SEQUENCES, 1'204'332, 4'810'000, 118, 0, 14'000}, &live);
  Report({kPreempting, 2, 2, "node-e.rack-17.cluster.example.internal", v1::PROGRESS_UNIT_STEPS, 311, 1500, 1800, 5.2},
         &live);
  waits[kRecovering] = {0, 0, {{v1::WAIT_REASON_PAUSE, "pause of 8 s more after 1 death in a row"}}};
  waits[kQueued] = {
      1,
      kNow + 12 * kMinute,
      {{v1::WAIT_REASON_SLOTS, "needs 8 slots, 1 is free: waits for job 15 (low-priority/train, PREEMPTING)"},
       {v1::WAIT_REASON_HOSTS_DRAINED, "8 slots of node-c are closed: drained by alice: disk swap"}}};
  waits[kDependent] = {0, 0, {{v1::WAIT_REASON_DEPENDENCY, "waits for job 4 (demo/train), which is RUNNING"}}};
  waits[kHeld] = {0, 0, {{v1::WAIT_REASON_HELD, "held by alice (still release 9)"}}};
  waits[kHostile] = {2,
                     kNow + 95 * kMinute,
                     {{v1::WAIT_REASON_RESERVED, "the slots are reserved for job 7 <script>owned()</script>"}}};
}

coordinator::ViewSources MadeUpCluster::sources() const {
  coordinator::ViewSources sources;
  sources.read_history = [this](std::uint64_t after, std::uint64_t job,
                                std::uint32_t limit) -> Result<std::vector<HistoryEvent>> {
    std::vector<HistoryEvent> found;
    for (const HistoryEvent& event : events) {
      if (event.sequence() > after && (job == 0 || event.job() == job)) found.push_back(event);
    }
    if (found.size() > limit) found.erase(found.begin(), found.end() - limit);
    return found;
  };
  return sources;
}

void MadeUpCluster::ReportLoss(double loss) {
  v1::AgentReport report;
  report.set_job(kRunning);
  report.set_attempt(1);
  report.set_sequence(10'000);
  report.mutable_progress()->set_done(9200);
  (*report.mutable_progress()->mutable_values())["loss"] = loss;
  live.OnReport(report, kNow);
}

v1::View MadeUpCluster::View(v1::ViewKind view, std::uint64_t job) const {
  v1::Query query;
  query.set_view(view);
  query.set_job(job);
  return coordinator::BuildView(query, state, live, waits, sources(), kNow).value();
}

}  // namespace still::testing
