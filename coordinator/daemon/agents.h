// The seam between the coordinator and the agents that run the attempts of its jobs. Agents are processes for the
// daemon (detached_agents.h), threads for `still run` (thread_agents.h) and scripts in tests.
#pragma once

#include <cstdint>
#include <optional>

#include "common/enum_words.h"
#include "common/proto/coordinator.pb.h"
#include "common/status.h"

namespace still::coordinator {

// The facts that can be found out about an attempt's agent without a message to it.
enum class AgentTrace {
  kNeverStarted,  // the agent left no trace
  kAlive,
  kGone,  // the agent died and left no outcome
  kEnded  // the agent left an outcome
};

// Agents starts the agents of attempts and finds out what became of them. The coordinator's thread makes every call,
// and each call returns without waiting for an agent.
class Agents {
 public:
  virtual ~Agents() = default;
  // Fills in the paths of the attempt in `task` and starts the agent. After Ok, Probe() never returns kNeverStarted for
  // this attempt, even if the agent or the coordinator dies.
  virtual Status Start(v1::AgentTask task) = 0;
  // Returns what became of the attempt's agent.
  virtual AgentTrace Probe(std::uint64_t job, std::uint64_t attempt) = 0;
  // Returns the last report of an ended agent, which has its outcome. Call only after Probe() returned kEnded.
  virtual Result<v1::AgentReport> Outcome(std::uint64_t job, std::uint64_t attempt) = 0;
  // Returns the path of the file that the ranks of this attempt log to.
  virtual std::string LogPath(std::uint64_t job, std::uint64_t attempt) const = 0;
};

}  // namespace still::coordinator
