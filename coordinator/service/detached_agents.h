// Agents as processes of their own, which outlive the coordinator: `still agent --task FILE`. What is known of one
// without asking it is in its attempt's directory:
//
//   <state>/jobs/<id>/<attempt>/  task.json   what it is to do; there before it starts
//                                 lock        held while any of its processes on this machine lives
//                                 outcome     its last report; there before it ends
//                                 agent.log   its own log
//                                 ranks.log   that of mpirun and the ranks
// One thread.
#pragma once

#include <sys/types.h>

#include <set>
#include <string>

#include "coordinator/service/agents.h"
#include "coordinator/service/state_directory.h"

namespace still::coordinator {

class DetachedAgents : public Agents {
 public:
  // `program` is the path of `still`.
  DetachedAgents(StateDirectory directory, std::string program)
      : directory_(std::move(directory)), program_(std::move(program)) {}

  Status Start(stillhouse::v1::AgentTask task) override;
  AgentTrace Look(std::uint64_t job, std::uint64_t attempt) override;
  Result<stillhouse::v1::AgentReport> Outcome(std::uint64_t job, std::uint64_t attempt) override;
  std::string LogPath(std::uint64_t job, std::uint64_t attempt) const override;

 private:
  // Those that ended leave nothing behind in the process table.
  void Reap();

  const StateDirectory directory_;
  const std::string program_;
  std::set<pid_t> started_;
};

// The files in an attempt's directory.
std::string AttemptTaskPath(const std::string& attempt);
std::string AttemptLockPath(const std::string& attempt);
std::string AttemptLogPath(const std::string& attempt);  // the agent's own
std::string AttemptOutcomePath(const std::string& attempt);

}  // namespace still::coordinator
