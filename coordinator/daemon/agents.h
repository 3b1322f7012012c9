// The seam between the coordinator and the agents that make its jobs' artifacts: processes of their own for the daemon
// (detached_agents.h), threads for `still run` (thread_agents.h), scripts in tests.
#pragma once

#include <cstdint>
#include <optional>

#include "common/proto/coordinator.pb.h"
#include "common/status.h"

namespace still::coordinator {

// What is known of an attempt's agent without asking it.
enum class AgentTrace {
  kNeverStarted,  // nothing is there of it
  kAlive,
  kGone,  // it left no outcome
  kEnded  // it left an outcome
};

class Agents {
 public:
  virtual ~Agents() = default;
  // Fills in the paths of the task, which belong to the attempt, and starts its agent. Once Ok, Probe never says
  // kNeverStarted again, whoever dies.
  virtual Status Start(stillhouse::v1::AgentTask task) = 0;
  virtual AgentTrace Probe(std::uint64_t job, std::uint64_t attempt) = 0;
  // The outcome that an agent left behind, as its last report.
  virtual Result<stillhouse::v1::AgentReport> Outcome(std::uint64_t job, std::uint64_t attempt) = 0;
  // Where the ranks of this attempt write.
  virtual std::string LogPath(std::uint64_t job, std::uint64_t attempt) const = 0;
};

}  // namespace still::coordinator
