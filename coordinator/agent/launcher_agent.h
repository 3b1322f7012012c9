// Makes the artifact of one stage, whatever dies on the way: launches mpirun, serves the launch, and launches again as
// the recovery policy says. It owns mpirun and the job's journal, which holds the generations and the published
// checkpoints. It only carries out what relaunch_policy.h decides.
//
// It may be killed at any instant: mpirun and its ranks die with it, and the next agent of the job continues from the
// journal. There is one agent per job at a time, because its caller holds the job's lock.
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
#include "common/proto/control.pb.h"
#include "common/status.h"
#include "coordinator/launch/checkpoint_publisher.h"
#include "coordinator/launch/job_journal.h"
#include "coordinator/launch/launch_server.h"
#include "coordinator/launch/relaunch_policy.h"

namespace still::coordinator {

struct GenerationStart {
  std::uint64_t generation = 0;
  bool in_place = false;                 // true: survivors go on as it; false: a launch has started
  std::optional<v1::Recovery> recovery;  // nothing: it is the first of this agent
};

// Called from the thread that runs the agent.
struct AgentCallbacks {
  std::function<void(const v1::Progress&)> on_progress = [](const v1::Progress&) {};
  // Called once the generation is journaled.
  std::function<void(const GenerationStart&)> on_generation = [](const GenerationStart&) {};
  // Says where the ranks are and where their time went, a few times per second.
  std::function<void(const RankSightings&)> on_ranks = [](const RankSightings&) {};
  // Says that checkpoints cannot be kept while the work goes on. An empty text says that this is over.
  std::function<void(const std::string&)> on_storage_trouble = [](const std::string&) {};
};

struct AgentJob {
  std::string journal_path;
  std::string checkpoint_directory;  // empty: the stage makes no checkpoints
  CheckpointRetention retention;
  std::uint32_t same_step_failures = 3;  // see RelaunchPolicy
  // The server of every launch. The agent fills in what differs from launch to launch, and what `launch` says as well.
  LaunchOptions server;
  cluster::LaunchSpec launch;                            // without the arguments that name the task
  std::string task_path;                                 // where the task of each launch is written
  std::function<bool()> is_made = [] { return false; };  // whether the artifact exists
};

class LauncherAgent {
 public:
  // `task` is complete except for what differs from launch to launch. All references outlive the agent.
  LauncherAgent(AgentJob job, const v1::WorkerTask& task, cluster::Launcher& launcher, Clock& clock,
                AgentCallbacks callbacks);
  ~LauncherAgent();

  // Returns Ok when the stage is done. CANCELLED after `stops` became positive: see LaunchServer::Run. UNAVAILABLE when
  // a host of several was lost: the job goes on from its journal wherever it is placed next. Call once.
  Status Run(const std::atomic<int>& stops);
  // Returns how the generations of this run ended, oldest first.
  const std::vector<v1::GenerationEnd>& ends() const { return ends_; }
  // Returns the newest host that was lost, whether that ended a launch or not. Empty when none was. Call after Run.
  std::string lost_host() const;

 private:
  // Makes one launch, from its generation to its end. An error means that there was no launch.
  Result<v1::GenerationEnd> LaunchOnce(const std::atomic<int>& stops);
  LaunchOptions OptionsOf(std::uint64_t generation);
  // Writes the task of a launch and returns its path.
  Result<std::string> WriteTask(std::uint64_t generation, const std::string& endpoint,
                                const std::vector<v1::CheckpointManifest>& checkpoints) const;
  // Journals that survivors go on, unless the recovery policy says that the job has died too often.
  Result<std::uint64_t> Shrink(const v1::GenerationEnd& end, std::size_t survivors);
  void Record(v1::GenerationEnd end);
  // Blocks for `duration`, or until a stop is asked for. Returns false when one was.
  bool Wait(std::chrono::milliseconds duration, const std::atomic<int>& stops);

  const AgentJob job_;
  const RelaunchPolicy policy_;
  const v1::WorkerTask& task_;
  cluster::Launcher& launcher_;
  Clock& clock_;
  const AgentCallbacks callbacks_;
  std::unique_ptr<JobJournal> journal_;
  std::unique_ptr<CheckpointPublisher> publisher_;
  std::vector<v1::GenerationEnd> ends_;
  int launches_ = 0;
  Clock::TimePoint ended_;  // when the last launch did
};

}  // namespace still::coordinator
