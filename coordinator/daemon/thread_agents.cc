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
  auto agent = std::make_unique<Agent>(std::move(task), clock_);
  agent->thread = std::jthread([this, job, running = agent.get()] {
    const AgentCallbacks callbacks = QueuedCallbacks(job, running->status);
    running->outcome = RunJob(running->task, /*wait_for_others=*/false, launcher_, clock_, callbacks, running->stops);
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

std::vector<AgentReport> ThreadAgents::Drain() {
  std::vector<AgentReport> reports;
  for (const auto& [job, agent] : agents_)
    if (!agent->acknowledged) reports.push_back(agent->status.Report());
  // The reports are read first: every callback that precedes an outcome among them is in the queue by now.
  std::vector<std::function<void()>> calls;
  {
    const std::scoped_lock lock(mutex_);
    calls.swap(calls_);
  }
  for (const auto& call : calls) call();
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

AgentCallbacks ThreadAgents::QueuedCallbacks(std::uint64_t job, AgentStatus& status) {
  AgentCallbacks callbacks = status.Callbacks();
  const AgentCallbacks watching = options_.callbacks(job);
  const auto both = [this](auto first, auto second) {
    return [this, first = std::move(first), second = std::move(second)](const auto& value) {
      first(value);
      Post([second, value] { second(value); });
    };
  };
  callbacks.on_progress = both(std::move(callbacks.on_progress), watching.on_progress);
  callbacks.on_generation = both(std::move(callbacks.on_generation), watching.on_generation);
  callbacks.on_storage_trouble = both(std::move(callbacks.on_storage_trouble), watching.on_storage_trouble);
  return callbacks;
}

void ThreadAgents::Post(std::function<void()> call) {
  const std::scoped_lock lock(mutex_);
  calls_.push_back(std::move(call));
}

}  // namespace still::coordinator
