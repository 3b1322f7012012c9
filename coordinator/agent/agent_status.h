// The report of an agent, put together from what its parts tell it. The thread that makes the artifact writes, and the
// thread that talks to the coordinator reads. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "common/enum_words.h"
#include "common/proto/coordinator.pb.h"
#include "coordinator/agent/launcher_agent.h"

namespace still::coordinator {

// The outcome of an attempt.
struct JobOutcome {
  Status status;
  std::uint64_t step = 0;  // the highest step reached
  std::string lost_host;   // the newest that was lost; empty: none
};

class AgentStatus {
 public:
  explicit AgentStatus(const v1::AgentTask& task);

  // Returns callbacks for a LauncherAgent. This object outlives them.
  AgentCallbacks Callbacks();
  // Sets the task for the ranks of an mpirun that a person typed.
  void SetAttachTask(v1::WorkerTask task);
  // Sets the outcome. Later reports carry it.
  void End(const JobOutcome& outcome);

  // Returns the next report. Its sequence is higher than any before.
  v1::AgentReport Report();
  // Handles the answer to a report: recoveries that are on record now are not reported again.
  void OnOrders(const v1::AgentOrders& orders);
  // Blocks until something worth a report of its own has changed since the last Report, or `timeout` has passed.
  void WaitForChange(std::chrono::milliseconds timeout);

 private:
  void OnProgress(const v1::Progress& progress);
  void OnGeneration(const GenerationStart& start);
  void OnRanks(const RankSightings& sightings);

  struct UnreportedRecovery {
    v1::Recovery recovery;
    std::uint64_t first_sequence = 0;  // of the first report that carried it; 0: none yet
  };
  // Changes the report. An urgent change wakes WaitForChange.
  template <typename Change>
  void Set(Change change, bool urgent);

  std::mutex mutex_;
  std::condition_variable changed_;
  bool urgent_ = false;
  v1::AgentReport report_;
  std::vector<UnreportedRecovery> recoveries_;
  std::map<v1::Phase, double> earlier_phase_seconds_;  // of earlier launches: sightings cover only one
};

}  // namespace still::coordinator
