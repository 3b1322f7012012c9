#include "tests/sim/sim_daemon.h"
#include "common/enum_words.h"

#include <algorithm>
#include <utility>

namespace still::sim {
namespace {

using coordinator::AgentTrace;
using coordinator::Changes;
using v1::AgentReport;
using v1::AgentTask;
using v1::CoordinatorMessage;

constexpr std::int64_t kRoundMs = 250;  // length of a round without a message
// Checks that cost more than a round run after every so many commits, and less often with more jobs.
constexpr std::uint64_t kSettledEvery = 2;
constexpr std::uint64_t kBackfillsEvery = 3;
constexpr std::uint64_t kWholeEvery = 8;
constexpr std::size_t kRarerWithEvery = 100;  // jobs

class SimClock : public Clock {
 public:
  SimClock(const EventQueue* queue, std::int64_t skew_ms) : queue_(queue), skew_ms_(skew_ms) {}
  TimePoint Now() const override { return TimePoint(std::chrono::milliseconds(queue_->now())); }
  UnixMs WallMs() const override { return queue_->now() + skew_ms_; }
  void SleepFor(std::chrono::milliseconds) override {}

 private:
  const EventQueue* queue_;
  std::int64_t skew_ms_;
};

class SimAgents : public coordinator::Agents {
 public:
  SimAgents(const ShellSurroundings* around, Dice* dice) : around_(around), dice_(dice) {}

  Status Start(AgentTask task) override {
    if (dice_->Chance(around_->weather->launch_failure)) {
      around_->verdict->Trace("agent {}.{} cannot be started", task.job(), task.attempt());
      refused = true;
      if (dice_->Chance(10 * around_->weather->full_disk)) around_->fill_disk();
      return Error(dice_->Chance(0.95) ? Code::kUnavailable : Code::kInvalidArgument, "no more processes");
    }
    around_->start_agent(task);
    return Ok();
  }
  AgentTrace Probe(std::uint64_t job, std::uint64_t attempt) override {
    const auto directory = around_->directory_of({job, attempt});
    if (!directory.has_value()) return AgentTrace::kNeverStarted;
    if (directory->locked) return AgentTrace::kAlive;
    return directory->outcome.has_value() ? AgentTrace::kEnded : AgentTrace::kGone;
  }
  Result<AgentReport> Outcome(std::uint64_t job, std::uint64_t attempt) override {
    const auto directory = around_->directory_of({job, attempt});
    if (!directory.has_value() || !directory->outcome.has_value()) return Error(Code::kNotFound, "no outcome");
    return *directory->outcome;
  }
  std::string LogPath(std::uint64_t, std::uint64_t) const override { return "/dev/null"; }

  bool refused = false;  // a start was refused in this round

 private:
  const ShellSurroundings* around_;
  Dice* dice_;
};

coordinator::CoordinatorOptions OptionsOf(const ShellSurroundings& around) {
  const Scenario& scenario = *around.scenario;
  return {.decisions = scenario.decisions,
          .endpoint = "",
          .worker = "",
          .mpirun = "",
          .silence_ms = 2 * scenario.report_ms,
          .pass_interval_ms = std::max<std::int64_t>(500, scenario.decide_ms * 2),
          .is_made = around.probe};
}

}  // namespace

struct SimDaemon::Process {
  Process(const ShellSurroundings& around, Dice* dice, SimStore::Around store, std::int64_t skew_ms)
      : clock(around.queue, skew_ms),
        agents(&around, dice),
        journal("journal", std::make_unique<SimStore>(std::move(store))),
        coordinator(OptionsOf(around), journal, agents, clock) {}

  SimClock clock;
  SimAgents agents;
  coordinator::Journal journal;
  coordinator::Coordinator coordinator;
  std::vector<v1::Host> not_on_record;  // hosts of the inventory that it was started with
};

SimDaemon::SimDaemon(std::uint64_t key, ShellSurroundings around) : dice_(key), around_(std::move(around)) {}
SimDaemon::~SimDaemon() = default;

SimStore::Around SimDaemon::Store() {
  return {.disk = &disk_,
          .full = around_.disk_full,
          .closes = [this] { return dice_.Chance(0.5); },
          .dies =
              [this] {
                if (!dead_ && dice_.Chance(around_.weather->torn_commit)) {
                  around_.verdict->Trace("coordinator dies in a commit");
                  dead_ = true;
                }
                return dead_;
              },
          .whole = [this] { return dice_.Chance(0.5); },
          .committed = [this](const auto& batch) { Committed(batch); }};
}

void SimDaemon::Start() {
  const std::int64_t step = around_.weather->clock_step_ms;
  const std::vector<v1::Host> hosts = around_.inventory();
  dead_ = false;
  round_soon_ = false;
  process_ = std::make_unique<Process>(around_, &dice_, Store(), step > 0 ? dice_.Between(-step, step) : 0);
  const Status opened = process_->coordinator.Open(hosts);
  if (!opened.ok() || dead_) return Crash();
  around_.verdict->Trace("coordinator starts with {} jobs, {} of them live",
                         process_->coordinator.state().jobs().size(), process_->coordinator.state().live().size());
  process_->not_on_record = hosts;
  Round();
}

void SimDaemon::Crash() {
  if (!up()) return;
  around_.verdict->Trace("coordinator dies");
  process_.reset();
  ++crashes_;
}

coordinator::State SimDaemon::OnDisk() {
  coordinator::Journal journal("journal", std::make_unique<SimStore>(Store()));
  return *journal.Load();
}

void SimDaemon::OnReport(const AgentReport& report) {
  CoordinatorMessage message;
  *message.mutable_agent() = report;
  Deliver(fmt::format("a{}.{}", report.job(), report.attempt()), message);
}

void SimDaemon::OnRequest(const v1::ClientRequest& request) {
  CoordinatorMessage message;
  *message.mutable_client() = request;
  Deliver("c", message);
}

void SimDaemon::Deliver(const std::string& peer, const CoordinatorMessage& message) {
  if (!up()) return;
  process_->coordinator.OnMessage(peer, message.SerializeAsString());
  if (!std::exchange(round_soon_, true))
    around_.queue->After(dice_.Between(0, around_.scenario->decide_ms), [this, crashes = crashes_] {
      if (!up() || crashes != crashes_) return;
      round_soon_ = false;
      RoundSoon();
    });
}

void SimDaemon::Round() {
  RoundSoon();
  Whenever(kRoundMs + around_.scenario->decide_ms, &SimDaemon::Round);
}

// Runs one round of the daemon's loop.
void SimDaemon::RoundSoon() {
  const std::uint64_t before = commits_;
  process_->agents.refused = false;
  const std::vector<coordinator::OutgoingMessage> answers = process_->coordinator.Tick();
  if (dead_) return Crash();
  // On a full disk the inventory is recorded once there is space. Until then only the records are known.
  if (process_->coordinator.live().storage_trouble().empty()) {
    around_.checker->HasInventory(std::exchange(process_->not_on_record, {}));
  } else {
    around_.checker->Recovered(process_->coordinator.state());
  }
  const std::uint64_t rarer = 1 + around_.scenario->jobs / kRarerWithEvery;
  if (commits_ != before && !process_->agents.refused) {
    // All decisions are written, and nothing is left to decide.
    if (commits_ % (kSettledEvery * rarer) == 0) around_.checker->Settled(process_->coordinator.Now());
    if (commits_ % (kWholeEvery * rarer) == 0) around_.checker->Recovered(process_->coordinator.state());
  }
  for (const coordinator::OutgoingMessage& answer : answers) Deliver(answer);
}

void SimDaemon::Deliver(const coordinator::OutgoingMessage& answer) {
  if (answer.peer == "c") {
    v1::ClientReply reply;
    STILL_CHECK(reply.ParseFromString(answer.payload), "a client is answered with a reply");
    around_.answer_client(reply);
    return;
  }
  v1::AgentOrders orders;
  STILL_CHECK(orders.ParseFromString(answer.payload), "an agent is answered with orders");
  const std::size_t dot = answer.peer.find('.');
  around_.answer_agent({std::stoull(answer.peer.substr(1, dot - 1)), std::stoull(answer.peer.substr(dot + 1))}, orders);
}

void SimDaemon::Committed(const std::vector<Changes>& batch) {
  if (batch.size() == 1 && batch.front().empty()) return;  // it only probes the disk
  const UnixMs now = process_ != nullptr ? process_->coordinator.Now() : around_.queue->now();
  const std::uint64_t rarer = 1 + around_.scenario->jobs / kRarerWithEvery;
  ++commits_;
  for (const Changes& changes : batch) {
    for (const auto& event : changes.events) {
      around_.verdict->Trace("job {} {} -> {} ({}) {}", event.job(), EnumWord(event.from()), EnumWord(event.to()),
                             EnumWord(event.cause()), event.host() + " " + event.message());
    }
    if (commits_ % (kBackfillsEvery * rarer) == 0) around_.checker->Backfills(changes, now);
    around_.checker->Committed(changes, now);
  }
  if (commits_ % (kWholeEvery * rarer) == 0) around_.checker->Whole();
  if (dice_.Chance(around_.weather->full_disk)) around_.fill_disk();
}

void SimDaemon::Whenever(std::int64_t delay_ms, void (SimDaemon::*what)()) {
  around_.queue->After(delay_ms, [this, what, crashes = crashes_] {
    if (up() && crashes == crashes_) (this->*what)();
  });
}

}  // namespace still::sim
