// Measures how fast one core of a coordinator is, and how much memory it takes. It is the class that `still serve`
// runs, with its real journal (RocksDB, synced) and simulated agents. State: 10,000 workers of 500 running jobs, 500
// waiting jobs, 320 hosts.
//   coordinator_rate_bench [DIRECTORY]     on the disk to measure; default: out/coordinator_rate, removed afterwards
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/rpc/protocol.h"
#include "common/storage/files.h"
#include "coordinator/daemon/coordinator.h"

namespace still::coordinator {
namespace {

using v1::AgentReport;
using v1::AgentTask;
using v1::ClientReply;
using v1::CoordinatorMessage;
using v1::JobSpec;

constexpr std::uint32_t kHosts = 320;
constexpr std::uint32_t kSlotsPerHost = 32;
constexpr std::uint32_t kRanks = 20;  // per job: 500 jobs are 10,000 workers
constexpr std::size_t kRunning = 500;
constexpr std::size_t kLive = 1000;
constexpr std::size_t kFinished = 10'000;
constexpr std::size_t kMessagesPerRound = 64;  // they share one write
constexpr double kSecondsEach = 5;

double Since(Clock::TimePoint start) { return SecondsSince(Clock::System(), start); }

template <typename T>
T Must(Result<T> result) {
  STILL_CHECK(result.ok(), result.status().ToString());
  return std::move(result).value();
}

// Agents that start at once. The benchmark makes their reports.
class PaperAgents : public Agents {
 public:
  Status Start(AgentTask task) override {
    started.push_back({task.job(), task.attempt()});
    return Ok();
  }
  AgentTrace Probe(std::uint64_t, std::uint64_t) override { return AgentTrace::kNeverStarted; }
  Result<AgentReport> Outcome(std::uint64_t, std::uint64_t) override { return Error(Code::kNotFound, "none"); }
  std::string LogPath(std::uint64_t job, std::uint64_t attempt) const override {
    return fmt::format("/var/lib/stillhouse/jobs/{}/{}/ranks.log", job, attempt);
  }

  std::deque<std::pair<std::uint64_t, std::uint64_t>> started;
};

struct World {
  explicit World(const std::string& directory) : journal(Must(Journal::Open(directory))) {
    std::vector<v1::Host> hosts(kHosts);
    for (std::uint32_t i = 0; i < kHosts; ++i) {
      hosts[i].set_name(fmt::format("node{:03}.cluster.example", i));
      hosts[i].set_slots(kSlotsPerHost);
    }
    coordinator = std::make_unique<Coordinator>(
        CoordinatorOptions{.decisions = {}, .is_made = [](const JobSpec&) { return false; }}, *journal, agents,
        Clock::System());
    const Status opened = coordinator->Open(hosts);
    STILL_CHECK(opened.ok(), opened.ToString());
  }

  std::unique_ptr<Journal> journal;
  PaperAgents agents;
  std::unique_ptr<Coordinator> coordinator;
};

// Returns a submission as large as a real one, with identity texts, configurations and absolute paths.
CoordinatorMessage SubmitOf(std::size_t number, std::size_t jobs) {
  CoordinatorMessage message;
  message.mutable_client()->set_protocol(kProtocol);
  message.mutable_client()->set_user("alice");
  auto& submit = *message.mutable_client()->mutable_submit();
  submit.set_key(fmt::format("key-{}", number));
  submit.set_name(fmt::format("ablation-{}", number));
  for (std::size_t i = 0; i < jobs; ++i) {
    JobSpec& spec = *submit.add_jobs();
    spec.set_name(fmt::format("ablation-{}/alpha_mlm={}/train", number, i));
    spec.set_owner("alice");
    spec.set_stage(v1::STAGE_TRAIN);
    spec.set_artifacts_root("/shared/alice/stillhouse/artifacts");
    spec.set_digest(fmt::format("{:032x}{:032x}", number, i));
    spec.set_ranks(kRanks);
    spec.set_slots_per_rank(1);
    spec.set_time_limit_ms(3'600'000);
    spec.set_retries(3);
    spec.set_identity(std::string(1500, 'i'));
    for (std::string* digest : {spec.mutable_inputs()->mutable_corpus(), spec.mutable_inputs()->mutable_teacher(),
                                spec.mutable_inputs()->mutable_targets(), spec.mutable_inputs()->mutable_student()})
      *digest = std::string(64, 'a');
  }
  return message;
}

CoordinatorMessage ReportOf(std::uint64_t job, std::uint64_t attempt, std::uint64_t sequence, std::uint32_t ranks) {
  CoordinatorMessage message;
  AgentReport& report = *message.mutable_agent();
  report.set_protocol(kProtocol);
  report.set_job(job);
  report.set_attempt(attempt);
  report.set_sequence(sequence);
  report.set_generation(1);
  report.set_running(true);
  report.mutable_progress()->set_done(sequence);
  report.mutable_progress()->set_total(100'000);
  report.mutable_progress()->set_unit(v1::PROGRESS_UNIT_STEPS);
  report.mutable_progress()->set_tokens(sequence * 4096);
  (*report.mutable_progress()->mutable_values())["loss"] = 2.5;
  (*report.mutable_progress()->mutable_values())["learning_rate"] = 5e-4;
  for (std::uint32_t rank = 0; rank < ranks; ++rank) {
    auto& phase = *report.add_ranks();
    phase.set_rank(rank);
    phase.set_host(fmt::format("node{:03}.cluster.example", rank));
    phase.set_phase(v1::PHASE_COMPUTE);
    phase.set_step(sequence);
    phase.set_phase_seconds(0.4);
  }
  for (int phase = v1::PHASE_DATA; phase <= v1::PHASE_CHECKPOINT; ++phase) {
    auto& time = *report.add_phase_seconds();
    time.set_phase(static_cast<v1::Phase>(phase));
    time.set_seconds(static_cast<double>(sequence));
  }
  return message;
}

CoordinatorMessage SuccessOf(std::uint64_t job, std::uint64_t attempt) {
  CoordinatorMessage message = ReportOf(job, attempt, 1'000'000, 0);
  message.mutable_agent()->mutable_outcome()->set_step(100'000);
  return message;
}

std::size_t MemoryMb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmRSS:")) return std::strtoull(line.c_str() + 6, nullptr, 10) / 1024;
  return 0;
}

// Submits jobs until so many are live. The coordinator starts those that fit.
void Fill(World* world, std::size_t* next) {
  while (world->coordinator->state().live().size() < kLive)
    world->coordinator->OnMessage("client", SubmitOf((*next)++, 10).SerializeAsString());
  world->coordinator->Tick();
}

void HearAll(World* world, std::deque<std::pair<std::uint64_t, std::uint64_t>>* running) {
  for (const auto& [job, attempt] : std::exchange(world->agents.started, {})) {
    world->coordinator->OnMessage("agent", ReportOf(job, attempt, 1, kRanks).SerializeAsString());
    running->push_back({job, attempt});
  }
}

// Returns how many reports of running jobs per second are parsed, handled and answered.
double Heartbeats(World* world, const std::deque<std::pair<std::uint64_t, std::uint64_t>>& running, std::uint32_t ranks,
                  std::uint64_t* sequence) {
  double seconds = 0;
  std::size_t taken = 0;
  std::size_t answered = 0;
  while (seconds < kSecondsEach) {
    // Each report is new, since a repeated one costs less.
    std::vector<std::string> reports;
    for (std::uint64_t i = 0; i < 8; ++i, ++*sequence)
      for (std::size_t job = 0; job < kRunning; ++job)
        reports.push_back(ReportOf(running[job].first, running[job].second, *sequence, ranks).SerializeAsString());
    const auto start = Clock::System().Now();
    for (std::size_t i = 0; i < reports.size(); ++i) {
      world->coordinator->OnMessage("agent", reports[i]);
      if (i % kMessagesPerRound == kMessagesPerRound - 1 || i + 1 == reports.size()) {
        answered += world->coordinator->Answers().size();
        world->coordinator->Tick();
      }
    }
    seconds += Since(start);
    taken += reports.size();
  }
  STILL_CHECK(answered == taken, "every report is answered");
  return static_cast<double>(taken) / seconds;
}

// Returns the transitions (lines of the history) per second while jobs end, waiting ones start and new ones come. All
// are synced.
double Transitions(World* world, std::deque<std::pair<std::uint64_t, std::uint64_t>>* running, std::size_t* next) {
  const std::uint64_t before = world->coordinator->state().next_sequence();
  const auto start = Clock::System().Now();
  while (Since(start) < kSecondsEach) {
    for (std::size_t i = 0; i < kMessagesPerRound && running->size() > kRunning / 2; ++i) {
      world->coordinator->OnMessage("agent",
                                    SuccessOf(running->front().first, running->front().second).SerializeAsString());
      running->pop_front();
    }
    Fill(world, next);
    HearAll(world, running);
  }
  world->coordinator->Tick();
  return static_cast<double>(world->coordinator->state().next_sequence() - before) / Since(start);
}

// Returns the milliseconds from the bytes of a submission to its durable answer, sorted. A decision that is under way
// when it arrives comes on top.
std::vector<double> SubmitLatencies(World* world, std::size_t* next) {
  std::vector<double> latencies;
  for (int i = 0; i < 200; ++i) {
    const std::string submit = SubmitOf((*next)++, 6).SerializeAsString();
    const auto start = Clock::System().Now();
    world->coordinator->OnMessage("client", submit);
    const std::vector<OutgoingMessage> answers = world->coordinator->Answers();
    latencies.push_back(Since(start) * 1000);
    world->coordinator->Tick();  // as the daemon does next
    ClientReply reply;
    STILL_CHECK(!answers.empty() && reply.ParseFromString(answers.front().payload) && reply.pipeline() > 0,
                "a submission is answered with its pipeline");
    v1::ClientRequest cancel;  // keeps the number of waiting jobs
    cancel.set_protocol(kProtocol);
    cancel.mutable_change()->set_verb(v1::JOB_VERB_CANCEL);
    cancel.mutable_change()->set_pipeline(reply.pipeline());
    world->coordinator->Ask(cancel);
  }
  std::ranges::sort(latencies);
  return latencies;
}

// Returns the answers per second to ranks of an mpirun typed by hand, whose job waits for another one.
double WaitingRanks(World* world, std::size_t* next) {
  CoordinatorMessage submit = SubmitOf((*next)++, 2);
  submit.mutable_client()->mutable_submit()->mutable_jobs(1)->add_depends_on(1);
  submit.mutable_client()->mutable_submit()->mutable_jobs(1)->set_attach(true);
  world->coordinator->OnMessage("client", submit.SerializeAsString());
  ClientReply reply;
  STILL_CHECK(reply.ParseFromString(world->coordinator->Answers().at(0).payload) && reply.jobs_size() == 2, "two jobs");
  CoordinatorMessage attach;
  attach.mutable_client()->set_protocol(kProtocol);
  attach.mutable_client()->mutable_attach()->set_job(fmt::format("{}", reply.jobs(1)));
  attach.mutable_client()->mutable_attach()->set_launch("mpirun-1");
  attach.mutable_client()->mutable_attach()->set_ranks(512);
  const std::string bytes = attach.SerializeAsString();
  const auto start = Clock::System().Now();
  std::size_t answered = 0;
  while (Since(start) < kSecondsEach) {
    for (std::size_t i = 0; i < kMessagesPerRound; ++i) world->coordinator->OnMessage("rank", bytes);
    for (const OutgoingMessage& answer : world->coordinator->Answers()) {
      STILL_CHECK(reply.ParseFromString(answer.payload) && reply.code() == static_cast<int>(Code::kUnavailable),
                  "a rank is told why it waits");
      ++answered;
    }
  }
  return static_cast<double>(answered) / Since(start);
}

// Makes the journal of a coordinator whose `jobs` jobs have ended.
void FinishJobs(const std::string& directory) {
  World world(directory);
  std::size_t next = 1'000'000;
  std::deque<std::pair<std::uint64_t, std::uint64_t>> running;
  std::size_t finished = 0;
  while (finished < kFinished) {
    Fill(&world, &next);
    HearAll(&world, &running);
    world.coordinator->Tick();
    for (; !running.empty() && finished < kFinished; running.pop_front(), ++finished)
      world.coordinator->OnMessage("agent",
                                   SuccessOf(running.front().first, running.front().second).SerializeAsString());
    world.coordinator->Tick();
  }
  v1::ClientRequest cancel;
  cancel.set_protocol(kProtocol);
  cancel.mutable_change()->set_verb(v1::JOB_VERB_CANCEL);
  for (const std::uint64_t id : world.coordinator->state().live()) cancel.mutable_change()->add_jobs(id);
  world.coordinator->Ask(cancel);
}

void Row(const char* what, const std::string& measured, const char* aim) {
  fmt::print("| {:<58} | {:>14} | {:>12} |\n", what, measured, aim);
}

void Run(const std::string& directory) {
  Row("", "measured", "aim");
  fmt::print("|{:-<60}|{:-<16}|{:-<14}|\n", "", "", "");
  {
    World world(directory + "/live");
    std::size_t next = 1;
    std::deque<std::pair<std::uint64_t, std::uint64_t>> running;
    Fill(&world, &next);
    HearAll(&world, &running);
    world.coordinator->Tick();
    STILL_CHECK(running.size() >= kRunning, "as many jobs run as there are slots for");
    std::uint64_t sequence = 2;
    const double reports = Heartbeats(&world, running, kRanks, &sequence);
    Row("reports/s of 20 ranks each", fmt::format("{:.0f}", reports), "");
    Row("heartbeats/s: ranks in those reports", fmt::format("{:.0f}", reports * kRanks), ">= 50,000");
    Row("reports/s of 1 rank each", fmt::format("{:.0f}", Heartbeats(&world, running, 1, &sequence)), "");
    Row("transitions/s, journaled and synced", fmt::format("{:.0f}", Transitions(&world, &running, &next)), ">= 2,000");
    const std::vector<double> latencies = SubmitLatencies(&world, &next);
    Row("submission of 6 jobs, durable and answered: median, ms", fmt::format("{:.1f}", latencies[100]), "<= 20");
    Row("the same: 99 of 100, ms", fmt::format("{:.1f}", latencies[197]), "<= 20");
    Row("answers/s to ranks typed by hand whose job waits", fmt::format("{:.0f}", WaitingRanks(&world, &next)), "");
    Row("resident memory after that, MB", fmt::format("{}", MemoryMb()), "< 300");
  }
  FinishJobs(directory + "/finished");
  const auto start = Clock::System().Now();
  const World world(directory + "/finished");
  Row("restart with 10,000 finished jobs in the journal, s", fmt::format("{:.2f}", Since(start)), "<= 2");
  STILL_CHECK(world.coordinator->state().jobs().size() >= kFinished, "all of them are remembered");
  Row("resident memory after that, MB", fmt::format("{}", MemoryMb()), "< 300");
}

}  // namespace
}  // namespace still::coordinator

int main(int argc, char** argv) {
  const std::string directory = argc > 1 ? argv[1] : "out/coordinator_rate";
  const still::Status made = still::MakeDirectories(directory);
  STILL_CHECK(made.ok(), made.ToString());
  still::coordinator::Run(directory);
  const still::Status removed = still::RemoveAll(directory);
  STILL_CHECK(removed.ok(), removed.ToString());
  return 0;
}
