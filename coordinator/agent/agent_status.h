// What an agent has to say, put together from what its parts tell it: the thread that makes the artifact writes, the
// one that talks to the coordinator reads. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "common/proto/coordinator.pb.h"
#include "coordinator/agent/launcher_agent.h"

namespace still::coordinator {

// How an attempt ended.
struct JobOutcome {
  Status status;
  std::uint64_t step = 0;  // highest reached
  std::string lost_host;   // newest of it
};

class AgentStatus {
 public:
  AgentStatus(const stillhouse::v1::AgentTask& task, Clock& clock);

  // For LauncherAgent; they outlive it.
  AgentCallbacks Callbacks();
  // For the ranks of an mpirun that a person typed.
  void SetAttachTask(v1::WorkerTask task);
  void End(const JobOutcome& outcome);

  // The next report: a higher sequence than any before.
  stillhouse::v1::AgentReport Report();
  // The coordinator's answer to a report: what is on record need not be said again.
  void Answered(const stillhouse::v1::AgentOrders& orders);
  // Until something worth a report of its own has changed since the last Report, or `timeout`.
  void WaitForChange(std::chrono::milliseconds timeout);

 private:
  struct UnreportedRecovery {
    v1::Recovery recovery;
    std::uint64_t first_sequence = 0;  // that carried it; 0: none yet
  };
  template <typename Change>
  void Set(Change change, bool urgent);

  Clock& clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool urgent_ = false;
  stillhouse::v1::AgentReport report_;
  std::vector<UnreportedRecovery> recoveries_;
  std::map<v1::Phase, double> earlier_phase_seconds_;  // of the launches before: PhaseTimes is of one
  Clock::TimePoint generation_since_;
};

}  // namespace still::coordinator
