// Measures what a long history costs: memory, questions about it, and a restart, with the class that `still serve` runs
// and its real journal (RocksDB).
//   coordinator_history_bench [JOBS [EVENTS_OF_EACH [DIRECTORY]]]   default 20,000 of 50 in out/coordinator_history
// Makes the journal when the directory is not there, else measures with it: two runs, so that the memory is the
// restarted coordinator's alone.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/config/pipeline_config.h"
#include "common/rpc/protocol.h"
#include "common/storage/files.h"
#include "coordinator/daemon/coordinator.h"
#include "coordinator/jobs/transaction.h"

namespace still::coordinator {
namespace {

constexpr std::uint64_t kJobsACommit = 10;
constexpr int kQuestions = 201;

std::size_t MemoryMb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmRSS:")) return std::strtoull(line.c_str() + 6, nullptr, 10) / 1024;
  return 0;
}

template <typename T>
T Must(Result<T> result) {
  STILL_CHECK(result.ok(), result.status().ToString());
  return std::move(result).value();
}

class NoAgents : public Agents {
 public:
  Status Start(stillhouse::v1::AgentTask) override { return Ok(); }
  AgentTrace Probe(std::uint64_t, std::uint64_t) override { return AgentTrace::kAlive; }
  Result<stillhouse::v1::AgentReport> Outcome(std::uint64_t, std::uint64_t) override {
    return Error(Code::kNotFound, "none");
  }
  std::string LogPath(std::uint64_t, std::uint64_t) const override { return ""; }
};

// Returns a job as `still submit` makes it, with its configuration, an identity text and digests.
v1::Submit SubmitOf(std::uint64_t number) {
  v1::Submit submit;
  submit.set_key(fmt::format("key-{}", number));
  submit.set_name(fmt::format("ablation-{}", number));
  for (std::uint64_t i = 0; i < kJobsACommit; ++i) {
    v1::JobSpec& spec = *submit.add_jobs();
    spec.set_name(fmt::format("ablation-{}/alpha_mlm={}/train", number, i));
    spec.set_stage(v1::STAGE_TRAIN);
    spec.set_artifacts_root("/shared/alice/stillhouse/artifacts");
    spec.set_digest(fmt::format("{:032x}{:032x}", number, i));
    spec.set_ranks(4);
    spec.set_slots_per_rank(1);
    *spec.mutable_config() = DefaultPipelineConfig();
    spec.set_identity(std::string(1500, 'i'));
    for (std::string* digest : {spec.mutable_inputs()->mutable_corpus(), spec.mutable_inputs()->mutable_teacher(),
                                spec.mutable_inputs()->mutable_targets(), spec.mutable_inputs()->mutable_student()})
      *digest = std::string(64, 'a');
  }
  return submit;
}

std::vector<v1::Host> Hosts() {
  std::vector<v1::Host> hosts(1);
  hosts[0].set_name("node001.cluster.example");
  hosts[0].set_slots(64);
  return hosts;
}

// Makes the journal. The jobs of each commit end before the next ones come, and their events are interleaved.
void Make(const std::string& directory, std::uint64_t jobs, std::uint64_t events_of_each) {
  const auto journal = Must(Journal::Open(directory));
  const JobDecisions decisions{DecisionOptions()};
  State state;
  UnixMs now = 1'700'000'000'000;
  const auto commit = [&](std::vector<Changes> changes) {
    const Status committed = journal->Commit(changes);
    STILL_CHECK(committed.ok(), committed.ToString());
  };
  Changes hosts = decisions.SetHosts(state, Hosts(), now);
  state.Apply(hosts);
  commit({std::move(hosts)});
  for (std::uint64_t made = 0; made < jobs; made += kJobsACommit) {
    ChangeOutcome submitted = Must(decisions.Submit(state, SubmitOf(made), "alice", ++now));
    state.Apply(submitted.changes);
    commit({std::move(submitted.changes)});
    Transaction transaction(state, ++now);
    for (std::uint64_t event = 2; event < events_of_each; ++event)
      for (const std::uint64_t id : submitted.jobs)
        transaction.Record(id, v1::CAUSE_PROCESS_DEATH, "agent",
                           fmt::format("rank 1 died in compute of step {}; generation {} goes on", event * 100, event));
    for (const std::uint64_t id : submitted.jobs)
      transaction.Move(id, v1::JOB_PENDING, v1::JOB_SUCCEEDED, v1::CAUSE_DONE, "agent", "done");
    Changes ended = std::move(transaction).TakeChanges();
    state.Apply(ended);
    commit({std::move(ended)});
  }
}

std::string Milliseconds(const std::function<void(std::uint64_t question)>& ask) {
  std::vector<double> taken;
  for (std::uint64_t i = 0; i < kQuestions; ++i) {
    const auto start = Clock::System().Now();
    ask(i);
    taken.push_back(SecondsSince(Clock::System(), start) * 1000);
  }
  std::ranges::sort(taken);
  return fmt::format("{:.2f} / {:.2f}", taken[kQuestions / 2], taken.back());
}

void Measure(const std::string& directory, std::uint64_t jobs) {
  const auto start = Clock::System().Now();
  const auto journal = Must(Journal::Open(directory));
  NoAgents agents;
  Coordinator coordinator({.decisions = {}, .is_made = [](const auto&) { return false; }}, *journal, agents,
                          Clock::System());
  const Status opened = coordinator.Open(Hosts());
  STILL_CHECK(opened.ok(), opened.ToString());
  fmt::print("restart: {:.2f} s; resident memory after it: {} MB\n", SecondsSince(Clock::System(), start), MemoryMb());
  const auto ask = [&](v1::ViewKind view, std::uint64_t job, std::uint64_t after) {
    stillhouse::v1::ClientRequest request;
    request.set_protocol(kProtocol);
    request.mutable_query()->set_view(view);
    request.mutable_query()->set_job(job);
    request.mutable_query()->set_after(after);
    STILL_CHECK(coordinator.Ask(request).code() == 0, "a question is answered");
  };
  const auto some_job = [&](std::uint64_t question) { return 1 + question * 7919 % jobs; };
  fmt::print("questions, median / longest of {}, ms\n", kQuestions);
  fmt::print("  one job with its events:   {}\n",
             Milliseconds([&](auto i) { ask(v1::VIEW_KIND_JOB, some_job(i), 0); }));
  fmt::print("  the newest 100 events:     {}\n", Milliseconds([&](auto) { ask(v1::VIEW_KIND_EVENTS, 0, 0); }));
  fmt::print("  the 10 that came last:     {}\n",
             Milliseconds([&](auto) { ask(v1::VIEW_KIND_EVENTS, 0, coordinator.state().next_sequence() - 11); }));
  fmt::print("resident memory after them: {} MB\n", MemoryMb());
}

void Run(std::uint64_t jobs, std::uint64_t events_of_each, const std::string& directory) {
  Make(directory, jobs, events_of_each);
  std::uint64_t bytes = 0;
  for (const std::string& file : Must(ListDirectory(directory))) bytes += Must(FileSize(JoinPath(directory, file)));
  fmt::print("{} jobs of {} events: {} MB on disk\n", jobs, events_of_each, bytes >> 20);
}

}  // namespace
}  // namespace still::coordinator

int main(int argc, char** argv) {
  const std::uint64_t jobs = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 20'000;
  const std::uint64_t events_of_each = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 50;
  const std::string directory = argc > 3 ? argv[3] : "out/coordinator_history";
  if (!still::Exists(directory)) {
    still::coordinator::Run(jobs, events_of_each, directory);
    return 0;
  }
  still::coordinator::Measure(directory, jobs);
  return 0;
}
