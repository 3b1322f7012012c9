// Agents as threads of this process, for `still run`.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cluster/launcher.h"
#include "common/clock.h"
#include "coordinator/agent/agent_status.h"
#include "coordinator/daemon/agents.h"

namespace still::coordinator {

struct ThreadAgentsOptions {
  std::string directory;        // the task files of the workers go here
  std::uint64_t first_job = 1;  // agents of jobs with lower numbers died with an earlier process
  // Returns the path of the file that the ranks of `job` log to.
  std::function<std::string(std::uint64_t job)> log_path;
};

// ThreadAgents runs one agent thread per job. One thread, the owner's, makes every call. The agents die with this
// object.
class ThreadAgents : public Agents {
 public:
  // `launcher` and `clock` must outlive this object.
  ThreadAgents(ThreadAgentsOptions options, cluster::Launcher& launcher, Clock& clock);
  // Kills the running agents and waits for their threads.
  ~ThreadAgents() override;

  Status Start(v1::AgentTask task) override;
  AgentTrace Probe(std::uint64_t job, std::uint64_t attempt) override;
  Result<v1::AgentReport> Outcome(std::uint64_t job, std::uint64_t attempt) override;
  std::string LogPath(std::uint64_t job, std::uint64_t attempt) const override;

  // Returns one report per agent whose outcome is not acknowledged yet.
  std::vector<v1::AgentReport> Reports();
  // Passes the coordinator's orders on to the job's agent.
  void Follow(std::uint64_t job, const v1::AgentOrders& orders);
  // Returns the status that the job's last attempt ended with, or nothing while it runs.
  std::optional<Status> Ended(std::uint64_t job) const;
  // Returns whether any agent runs.
  bool Running() const;

 private:
  struct Agent {
    explicit Agent(v1::AgentTask its_task) : task(std::move(its_task)), status(task) {}
    v1::AgentTask task;
    AgentStatus status;
    std::atomic<int> stops{0};
    std::atomic<bool> ended{false};
    JobOutcome outcome;  // valid once `ended` is true
    bool acknowledged = false;
    std::jthread thread;
  };

  const ThreadAgentsOptions options_;
  cluster::Launcher& launcher_;
  Clock& clock_;
  std::map<std::uint64_t, std::unique_ptr<Agent>> agents_;  // the latest attempt of each job
};

}  // namespace still::coordinator
