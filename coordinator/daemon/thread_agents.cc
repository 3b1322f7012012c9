#include "coordinator/daemon/thread_agents.h"

#include <utility>

#include "coordinator/agent/job_run.h"

namespace still::coordinator {

using v1::AgentOrders;
using v1::AgentReport;
using v1::AgentTask;

ThreadAgents::ThreadAgents(ThreadAgentsOptions options, cluster::Launcher& launcher, Clock& clock)
    : options_(std::move(options)), launcher_(launcher), clock_(clock) {}

ThreadAgents::~ThreadAgents() {
  for (const auto& [job, agent] : agents_) agent->stops = 2;
}

Status ThreadAgents::Start(AgentTask task) {
  task.set_directory(options_.directory);
  task.set_log_path(LogPath(task.job(), task.attempt()));
  const std::uint64_t job = task.job();
  auto agent = std::make_unique<Agent>(std::move(task));
  agent->thread = std::jthread([this, running = agent.get()] {
    running->outcome = RunJob(running->task, /*wait_for_others=*/false, launcher_, clock_, running->status.Callbacks(),
                              running->stops);
    running->status.End(running->outcome);
    running->ended = true;
  });
  agents_[job] = std::move(agent);
  return Ok();
}

AgentTrace ThreadAgents::Probe(std::uint64_t job, std::uint64_t attempt) {
  const auto agent = agents_.find(job);
  if (agent == agents_.end() || agent->second->task.attempt() != attempt)
    return job < options_.first_job ? AgentTrace::kGone : AgentTrace::kNeverStarted;
  return agent->second->ended ? AgentTrace::kEnded : AgentTrace::kAlive;
}

Result<AgentReport> ThreadAgents::Outcome(std::uint64_t job, std::uint64_t) { return agents_.at(job)->status.Report(); }

std::string ThreadAgents::LogPath(std::uint64_t job, std::uint64_t) const { return options_.log_path(job); }

std::vector<AgentReport> ThreadAgents::Reports() {
  std::vector<AgentReport> reports;
  for (const auto& [job, agent] : agents_)
    if (!agent->acknowledged) reports.push_back(agent->status.Report());
  return reports;
}

void ThreadAgents::Follow(std::uint64_t job, const AgentOrders& orders) {
  Agent& agent = *agents_.at(job);
  agent.status.OnOrders(orders);
  const int wanted = orders.kill() ? 2 : orders.drain() ? 1 : 0;
  if (agent.stops < wanted) agent.stops = wanted;
  agent.acknowledged |= orders.acknowledged();
}

std::optional<Status> ThreadAgents::Ended(std::uint64_t job) const {
  const auto agent = agents_.find(job);
  if (agent == agents_.end() || !agent->second->ended) return std::nullopt;
  return agent->second->outcome.status;
}

bool ThreadAgents::Running() const {
  for (const auto& [job, agent] : agents_)
    if (!agent->ended) return true;
  return false;
}

}  // namespace still::coordinator
