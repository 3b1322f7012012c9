#include "coordinator/agent/agent_process.h"

#include <unistd.h>

#include <atomic>
#include <thread>

#include "cluster/local_launcher.h"
#include "common/config/config.h"
#include "common/log.h"
#include "common/rpc/keys.h"
#include "common/rpc/rpc.h"
#include "common/stop_signals.h"
#include "common/storage/files.h"
#include "common/storage/state_directory.h"
#include "coordinator/agent/attached_launcher.h"
#include "coordinator/agent/job_run.h"

namespace still::coordinator {
namespace {

using std::chrono::milliseconds;
using v1::AgentOrders;
using v1::AgentReport;
using v1::AgentTask;

constexpr milliseconds kReportInterval{1000};
constexpr milliseconds kAnswerPatience{300};        // for the orders that answer a report
constexpr milliseconds kSilencePatience{3000};      // after which the coordinator may listen elsewhere
constexpr milliseconds kAcknowledgePatience{3000};  // for the outcome, which is on disk, to be acknowledged
constexpr milliseconds kOutcomeRetry{1000};         // while the disk is full

// Talks to the coordinator in a thread of its own. Orders raise the count of stops and never lower it.
class Reporter {
 public:
  Reporter(const AgentTask& task, AgentStatus& status, Clock& clock)
      : task_(task), status_(status), clock_(clock), endpoint_(task.coordinator()), thread_([this] { Talk(); }) {}
  ~Reporter() {
    ending_ = true;
    thread_.join();
  }

  // Blocks until the coordinator has the outcome on record, or the patience is over.
  void AwaitAcknowledgement() {
    const Clock::TimePoint until = clock_.Now() + kAcknowledgePatience;
    while (!acknowledged_ && clock_.Now() < until) clock_.SleepFor(milliseconds(20));
  }

 private:
  void Talk() {
    last_answer_ = clock_.Now();
    while (!ending_) {
      if (client_ == nullptr || clock_.Now() - last_answer_ > kSilencePatience) Connect();
      if (client_ != nullptr) {
        const AgentReport report = status_.Report();
        v1::CoordinatorMessage message;
        *message.mutable_agent() = report;
        if (client_->Send(message.SerializeAsString()).ok()) AwaitOrders(report.sequence());
      }
      if (!ending_) status_.WaitForChange(kReportInterval);
    }
  }

  // Connects to where the coordinator listens now, which may have been started again.
  void Connect() {
    last_answer_ = clock_.Now();
    const Result<std::string> endpoint = ReadFile(StateDirectory(task_.state_directory()).Endpoint());
    if (endpoint.ok() && !endpoint->empty()) endpoint_ = endpoint->substr(0, endpoint->find('\n'));
    const std::string identity =
        fmt::format("agent-{}-{}-{}-{}", task_.job(), task_.attempt(), getpid(), ++connections_);
    const Result<std::optional<RpcClientKeys>> keys = ClientKeysIfAny(StateDirectory(task_.state_directory()).Keys());
    if (!keys.ok()) return LogWarn("nothing can be reported to the coordinator: {}", keys.status().message());
    Result<std::unique_ptr<RpcClient>> client = RpcClient::Connect(endpoint_, identity, *keys);
    if (client.ok()) client_ = std::move(client).value();
  }

  void AwaitOrders(std::uint64_t sequence) {
    const Clock::TimePoint until = clock_.Now() + kAnswerPatience;
    while (clock_.Now() < until) {
      const Result<std::optional<std::string>> message =
          client_->Receive(std::chrono::duration_cast<milliseconds>(until - clock_.Now()) + milliseconds(1));
      AgentOrders orders;
      if (!message.ok() || !*message || !orders.ParseFromString(**message)) return;
      last_answer_ = clock_.Now();
      Follow(orders);
      if (orders.sequence() >= sequence) return;
    }
  }

  void Follow(const AgentOrders& orders) {
    status_.OnOrders(orders);
    const int wanted = orders.kill() ? 2 : orders.drain() ? 1 : 0;
    RaiseStops(wanted);
    if (orders.acknowledged()) acknowledged_ = true;
  }

  const AgentTask& task_;
  AgentStatus& status_;
  Clock& clock_;
  std::string endpoint_;
  std::unique_ptr<RpcClient> client_;
  Clock::TimePoint last_answer_;
  int connections_ = 0;
  std::atomic<bool> ending_ = false;
  std::atomic<bool> acknowledged_ = false;
  std::thread thread_;  // last, because it uses all of the above
};

// Returns what the log of the ranks says when none of them writes to it, or an empty text.
std::string LogElsewhere(const AgentTask& task) {
  if (task.attached_ranks() > 0) return "The ranks write to the terminal where their mpirun was typed.\n";
  if (MadeInAgent(task))
    return fmt::format("The agent builds this artifact without ranks. Its log is {}\n",
                       AttemptDirectory(task.directory()).AgentLog());
  return "";
}

// Writes the outcome. Nothing else is left to do when that fails, so it is tried until there is space.
void WriteOutcome(const AgentTask& task, AgentStatus& status, Clock& clock) {
  bool warned = false;
  while (true) {
    const Result<std::string> json = ToJson(status.Report());
    STILL_CHECK(json.ok(), json.status().ToString());
    const Status written = WriteFileAtomically(AttemptDirectory(task.directory()).Outcome(), *json);
    if (written.ok()) return;
    if (!Exists(task.directory())) return LogWarn("the outcome cannot be written: {}", written.message());
    if (!std::exchange(warned, true))
      LogWarn("the outcome cannot be written yet, and is tried again: {}", written.message());
    clock.SleepFor(kOutcomeRetry);
  }
}

}  // namespace

Status RunAgentProcess(const std::string& task_path) {
  STILL_ASSIGN_OR_RETURN(const std::string json, ReadFile(task_path));
  AgentTask task;
  STILL_RETURN_IF_ERROR(FromJson(json, task_path, &task));
  InitLog(fmt::format("agent/job-{}", task.job()));
  const std::atomic<int>& stops = CountStopSignals();
  Clock& clock = Clock::System();
  AgentStatus status(task);
  Reporter reporter(task, status, clock);

  cluster::LocalLauncher local(task.mpirun());
  AttachedLauncher attached([&](v1::WorkerTask worker_task) { status.SetAttachTask(std::move(worker_task)); },
                            [&] { return IsMade(task.spec()); }, clock);
  cluster::Launcher& launcher = task.attached_ranks() > 0 ? static_cast<cluster::Launcher&>(attached) : local;
  AgentCallbacks callbacks = status.Callbacks();
  if (task.attached_ranks() > 0) callbacks = attached.Listening(std::move(callbacks));
  LogInfo("attempt {} of {}", task.attempt(), task.spec().name());
  if (const std::string where = LogElsewhere(task); !where.empty())
    STILL_RETURN_IF_ERROR(WriteFileAtomically(task.log_path(), where));
  const JobOutcome outcome = RunJob(task, /*wait_for_others=*/true, launcher, clock, callbacks, stops);
  LogInfo("{}", outcome.status.ok() ? std::string("done") : outcome.status.ToString());
  status.End(outcome);
  WriteOutcome(task, status, clock);
  reporter.AwaitAcknowledgement();
  return Ok();
}

}  // namespace still::coordinator
