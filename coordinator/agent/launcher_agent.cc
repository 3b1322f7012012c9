#include "coordinator/agent/launcher_agent.h"

#include <algorithm>

#include "common/config/config.h"
#include "common/log.h"
#include "common/proto/control.pb.h"
#include "common/storage/checkpoint.h"
#include "common/storage/files.h"

namespace still::coordinator {
namespace {

constexpr std::chrono::milliseconds kDrainPatience{60'000};  // for a training step and its checkpoint
constexpr std::chrono::milliseconds kWaitSlice{50};

}  // namespace

LauncherAgent::LauncherAgent(AgentJob job, const v1::WorkerTask& task, cluster::Launcher& launcher, Clock& clock,
                             AgentCallbacks callbacks)
    : job_(std::move(job)),
      policy_{.stage = job_.server.stage,
              .same_step_failures = job_.same_step_failures,
              .several_hosts = job_.launch.hosts.size() > 1},
      task_(task),
      launcher_(launcher),
      clock_(clock),
      callbacks_(std::move(callbacks)) {}

LauncherAgent::~LauncherAgent() = default;

Status LauncherAgent::Run(const std::atomic<int>& stops) {
  STILL_ASSIGN_OR_RETURN(journal_, JobJournal::Open(job_.journal_path));
  if (!job_.checkpoint_directory.empty())
    publisher_ = std::make_unique<CheckpointPublisher>(*journal_, job_.checkpoint_directory, job_.retention);
  while (true) {
    STILL_ASSIGN_OR_RETURN(v1::GenerationEnd end, LaunchOnce(stops));
    // The result of a rank may be lost, but the artifact is not.
    if (IsDeath(CodeFromWire(end.code())) && job_.is_made()) end.set_code(v1::CODE_OK);
    ended_ = clock_.Now();
    Record(std::move(end));
    const Decision decision = Decide(ends_, policy_);
    switch (decision.action) {
      case NextAction::kDone: return Ok();
      case NextAction::kFail: return decision.failure;
      case NextAction::kRelaunch: break;
    }
    LogWarn("{}: {}; launching again in {} ms", EnumWord(policy_.stage), EndText(ends_.back()),
            decision.backoff.count());
    if (!Wait(decision.backoff, stops))
      return Error(Code::kCancelled, "{}: interrupted after {}", EnumWord(policy_.stage), EndText(ends_.back()));
  }
}

std::string LauncherAgent::lost_host() const {
  const auto newest = std::ranges::find_if(ends_.rbegin(), ends_.rend(),
                                           [](const v1::GenerationEnd& end) { return !end.death().host().empty(); });
  return newest == ends_.rend() ? "" : newest->death().host();
}

Result<v1::GenerationEnd> LauncherAgent::LaunchOnce(const std::atomic<int>& stops) {
  std::vector<v1::CheckpointManifest> checkpoints;
  if (publisher_ != nullptr) {
    publisher_->PublishWaiting();
    STILL_ASSIGN_OR_RETURN(checkpoints, publisher_->Reconcile());
  }
  const Result<std::uint64_t> next = journal_->NextGeneration();
  if (!next.ok())
    return next.status().WithContext(fmt::format("{}: no generation can be started", EnumWord(policy_.stage)));
  const std::uint64_t generation = *next;
  STILL_ASSIGN_OR_RETURN(const auto server, LaunchServer::Bind(OptionsOf(generation), clock_));
  STILL_ASSIGN_OR_RETURN(const std::string task, WriteTask(generation, server->endpoint(), checkpoints));
  cluster::LaunchSpec spec = job_.launch;
  spec.arguments = {"--task", task};
  spec.environment["STILL_LAUNCH"] = std::to_string(++launches_);
  spec.survive_deaths = job_.server.survivors_go_on;
  STILL_ASSIGN_OR_RETURN(const auto launched, launcher_.Launch(spec));
  GenerationStart start{.generation = generation};
  if (launches_ > 1) {
    start.recovery.emplace();
    start.recovery->set_generation(generation);
    *start.recovery->mutable_death() = ends_.back().death();
    start.recovery->set_pause_seconds(SecondsSince(clock_, ended_));
  }
  callbacks_.on_generation(start);
  return server->Run(*launched, stops);
}

LaunchOptions LauncherAgent::OptionsOf(std::uint64_t generation) {
  LaunchOptions options = job_.server;
  options.generation = generation;
  options.ranks = job_.launch.ranks;
  options.log_path = job_.launch.log_path;
  options.placement = job_.launch.hosts;
  options.publisher = publisher_.get();
  options.on_progress = callbacks_.on_progress;
  options.on_ranks = callbacks_.on_ranks;
  options.on_storage_trouble = callbacks_.on_storage_trouble;
  if (publisher_ != nullptr) options.drain_patience = kDrainPatience;
  if (job_.server.survivors_go_on) {
    options.on_shrink = [this](const v1::GenerationEnd& end, std::size_t survivors) { return Shrink(end, survivors); };
  }
  return options;
}

Result<std::string> LauncherAgent::WriteTask(std::uint64_t generation, const std::string& endpoint,
                                             const std::vector<v1::CheckpointManifest>& checkpoints) const {
  v1::WorkerTask task = task_;
  task.set_generation(generation);
  task.set_endpoint(endpoint);
  task.set_recovery(job_.server.survivors_go_on ? v1::RECOVERY_MODE_INPLACE : v1::RECOVERY_MODE_RELAUNCH);
  for (const v1::CheckpointManifest& checkpoint : checkpoints) *task.add_checkpoints() = checkpoint;
  const LaunchNetwork& network = job_.server.network;
  if (network.keys) {
    task.mutable_keys()->set_server_public(network.keys->own.public_key);
    task.mutable_keys()->set_client_public(network.client.public_key);
    task.mutable_keys()->set_client_secret(network.client.secret_key);
  }
  STILL_ASSIGN_OR_RETURN(const std::string json, ToJson(task));
  STILL_RETURN_IF_ERROR(
      WriteFileAtomically(job_.task_path, json, network.keys ? FileAccess::kPrivate : FileAccess::kShared));
  return job_.task_path;
}

// A launch that loses one rank after the other at one step has to end as well, so the policy counts these deaths too.
Result<std::uint64_t> LauncherAgent::Shrink(const v1::GenerationEnd& end, std::size_t survivors) {
  std::vector<v1::GenerationEnd> with_this = ends_;
  with_this.push_back(end);
  const Decision decision = Decide(with_this, policy_);
  if (decision.action == NextAction::kFail) return decision.failure;
  STILL_ASSIGN_OR_RETURN(const std::uint64_t generation, journal_->NextGeneration(end));
  ends_ = std::move(with_this);
  v1::Recovery recovery;
  recovery.set_generation(generation);
  *recovery.mutable_death() = end.death();
  recovery.set_in_place(true);
  recovery.set_survivors(static_cast<std::uint32_t>(survivors));
  callbacks_.on_generation({.generation = generation, .in_place = true, .recovery = std::move(recovery)});
  return generation;
}

void LauncherAgent::Record(v1::GenerationEnd end) {
  if (const Status recorded = journal_->RecordEnd(end); !recorded.ok())
    LogWarn("{}: the end of generation {} could not be recorded: {}", EnumWord(policy_.stage), end.generation(),
            recorded.message());
  ends_.push_back(std::move(end));
}

bool LauncherAgent::Wait(std::chrono::milliseconds duration, const std::atomic<int>& stops) {
  const Clock::TimePoint until = clock_.Now() + duration;
  while (stops == 0 && clock_.Now() < until) clock_.SleepFor(kWaitSlice);
  return stops == 0;
}

}  // namespace still::coordinator
