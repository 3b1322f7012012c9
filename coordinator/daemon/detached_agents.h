// Agents as processes that outlive the coordinator.
#pragma once

#include <sys/types.h>

#include <set>
#include <string>

#include "common/storage/state_directory.h"
#include "coordinator/daemon/agents.h"

namespace still::coordinator {

// DetachedAgents starts one `still agent --task FILE` process per attempt. Each process outlives the coordinator and
// leaves its traces in the attempt's directory (common/storage/state_directory.h). One thread uses the object. A failed
// Start() leaves the directory behind. A later Start() of the same attempt uses it again.
class DetachedAgents : public Agents {
 public:
  // `program` is the path of the `still` program.
  DetachedAgents(StateDirectory directory, std::string program)
      : directory_(std::move(directory)), program_(std::move(program)) {}

  Status Start(v1::AgentTask task) override;
  AgentTrace Probe(std::uint64_t job, std::uint64_t attempt) override;
  Result<v1::AgentReport> Outcome(std::uint64_t job, std::uint64_t attempt) override;
  std::string LogPath(std::uint64_t job, std::uint64_t attempt) const override;

 private:
  // Removes ended agents from the process table.
  void Reap();

  const StateDirectory directory_;
  const std::string program_;
  std::set<pid_t> started_;
};

}  // namespace still::coordinator
