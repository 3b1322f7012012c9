// Makes the artifact of one stage, whatever dies on the way: launches mpirun, serves the launch, and launches again as
// the recovery policy says. It owns the job's generations and its published checkpoints, in a journal, and mpirun
// itself. What decides is recovery_policy.h; what is remembered is job_journal.h; this only carries it out.
//
// Safe to be killed at any instant: mpirun and its ranks die with it, and the next agent of the job continues from the
// journal. One agent a job at a time: the caller holds the job's lock.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/launcher.h"
#include "common/clock.h"
#include "common/status.h"
#include "coordinator/launch/checkpoint_publisher.h"
#include "coordinator/launch/job_journal.h"
#include "coordinator/launch/phase_times.h"
#include "coordinator/launch/recovery_policy.h"
#include "coordinator/launch/stage_server.h"

namespace stillhouse::v1 {
class WorkerTask;
}

namespace still::coordinator {

struct GenerationStart {
  std::uint64_t generation = 0;
  bool in_place = false;                 // survivors go on as it; else a launch did start
  std::optional<v1::Recovery> recovery;  // what it recovers from; nothing: it is the first of this agent
};

// Called from the thread that runs the agent.
struct AgentCallbacks {
  std::function<void(const StageProgress&)> on_progress = [](const StageProgress&) {};
  // It is journaled.
  std::function<void(const GenerationStart&)> on_generation = [](const GenerationStart&) {};
  // Where the ranks are and where their time went, a few times a second.
  std::function<void(const PhaseTimes&)> on_ranks = [](const PhaseTimes&) {};
  std::function<void(const std::string&)> on_storage_trouble = [](const std::string&) {};
};

struct AgentJob {
  std::string stage;  // name, in messages
  std::string journal_path;
  std::string checkpoint_directory;  // empty: the stage makes no checkpoints
  CheckpointRetention retention;
  RecoveryPolicy policy;
  bool in_place = false;          // survivors of a death go on (in a stage with checkpoints, or with shards)
  std::vector<WorkRound> rounds;  // of shards to lease
  // Sets aside what stands of a shard that was computed twice with different results.
  std::function<Status(std::uint32_t round, std::uint32_t shard)> quarantine = [](auto, auto) { return Ok(); };
  StageNetwork network;  // on several hosts: an address they reach, with keys
  HostSilenceLimits host_silence;
  cluster::LaunchSpec launch;                            // without the arguments that name the task
  std::string task_path;                                 // where the task of each launch is written
  std::function<bool()> is_made = [] { return false; };  // whether the artifact exists
};

class LauncherAgent {
 public:
  // `task` is complete but for what differs from launch to launch. All references outlive the agent.
  LauncherAgent(AgentJob job, const stillhouse::v1::WorkerTask& task, cluster::Launcher& launcher, Clock& clock,
                AgentCallbacks callbacks);
  ~LauncherAgent();

  // Ok when the stage is done. CANCELLED after `stops` became positive: see StageServer::Run. UNAVAILABLE when a host
  // of several was lost: the job goes on from its journal wherever it is placed next. Call once.
  Status Run(const std::atomic<int>& stops);
  // How the generations of this run ended, oldest first.
  const std::vector<GenerationEnd>& ends() const { return ends_; }
  // After Run: the newest host that was lost, whether that ended a launch or not; empty: none.
  std::string lost_host() const;

 private:
  // One launch, from its generation to its end; an error when there was none.
  Result<GenerationEnd> LaunchOnce(const std::atomic<int>& stops);
  Result<std::string> WriteTask(std::uint64_t generation, const std::string& endpoint,
                                const std::vector<CheckpointManifest>& checkpoints) const;
  Result<std::uint64_t> Shrink(const GenerationEnd& end, std::size_t survivors);
  void Record(GenerationEnd end);
  // False when it was asked to stop meanwhile.
  bool Wait(std::chrono::milliseconds duration, const std::atomic<int>& stops);

  const AgentJob job_;
  const stillhouse::v1::WorkerTask& task_;
  cluster::Launcher& launcher_;
  Clock& clock_;
  const AgentCallbacks callbacks_;
  std::unique_ptr<JobJournal> journal_;
  std::unique_ptr<CheckpointPublisher> publisher_;
  std::vector<GenerationEnd> ends_;
  int launches_ = 0;
  Clock::TimePoint ended_;  // the last launch
};

}  // namespace still::coordinator
