// Agents as threads of this process, which they do not outlive: for `still run`. What they tell while they work is
// handed over on the thread that calls Drain.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cluster/launcher.h"
#include "common/clock.h"
#include "coordinator/agent/agent_status.h"
#include "coordinator/daemon/agents.h"

namespace still::coordinator {

struct ThreadAgentsOptions {
  std::string directory;                                   // for the tasks of workers
  std::uint64_t first_job = 1;                             // whatever was before is gone
  std::function<std::string(std::uint64_t job)> log_path;  // of its ranks
  // What its agent is called back with, on the thread that calls Drain.
  std::function<AgentCallbacks(std::uint64_t job)> callbacks;
};

class ThreadAgents : public Agents {
 public:
  // References outlive it.
  ThreadAgents(ThreadAgentsOptions options, cluster::Launcher& launcher, Clock& clock);
  // Kills what still runs.
  ~ThreadAgents() override;

  Status Start(stillhouse::v1::AgentTask task) override;
  AgentTrace Probe(std::uint64_t job, std::uint64_t attempt) override;
  Result<stillhouse::v1::AgentReport> Outcome(std::uint64_t job, std::uint64_t attempt) override;
  std::string LogPath(std::uint64_t job, std::uint64_t attempt) const override;

  // Calls back what was told since, and returns a report of each agent whose outcome was not acknowledged.
  std::vector<stillhouse::v1::AgentReport> Drain();
  void Follow(std::uint64_t job, const stillhouse::v1::AgentOrders& orders);
  // How the job's last attempt ended; nothing while it runs.
  std::optional<Status> Ended(std::uint64_t job) const;
  bool Running() const;

 private:
  struct Agent {
    Agent(stillhouse::v1::AgentTask its_task, Clock& clock) : task(std::move(its_task)), status(task, clock) {}
    stillhouse::v1::AgentTask task;
    AgentStatus status;
    std::atomic<int> stops{0};
    std::atomic<bool> ended{false};
    JobOutcome outcome;  // once `ended`
    bool acknowledged = false;
    std::jthread thread;
  };

  AgentCallbacks HandedOver(std::uint64_t job, AgentStatus& status);
  void Post(std::function<void()> call);

  const ThreadAgentsOptions options_;
  cluster::Launcher& launcher_;
  Clock& clock_;
  std::mutex mutex_;
  std::vector<std::function<void()>> calls_;                // guarded by mutex_
  std::map<std::uint64_t, std::unique_ptr<Agent>> agents_;  // by job; its latest attempt
};

}  // namespace still::coordinator
