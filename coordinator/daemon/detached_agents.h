// Agents as processes of their own, which outlive the coordinator: `still agent --task FILE`. What is known of one
// without asking it is in its attempt's directory (coordinator/agent/attempt_directory.h). One thread.
#pragma once

#include <sys/types.h>

#include <set>
#include <string>

#include "coordinator/client/state_directory.h"
#include "coordinator/daemon/agents.h"

namespace still::coordinator {

class DetachedAgents : public Agents {
 public:
  // `program` is the path of `still`.
  DetachedAgents(StateDirectory directory, std::string program)
      : directory_(std::move(directory)), program_(std::move(program)) {}

  Status Start(stillhouse::v1::AgentTask task) override;
  AgentTrace Probe(std::uint64_t job, std::uint64_t attempt) override;
  Result<stillhouse::v1::AgentReport> Outcome(std::uint64_t job, std::uint64_t attempt) override;
  std::string LogPath(std::uint64_t job, std::uint64_t attempt) const override;

 private:
  // Those that ended leave nothing behind in the process table.
  void Reap();

  const StateDirectory directory_;
  const std::string program_;
  std::set<pid_t> started_;
};

}  // namespace still::coordinator
