// A cluster in one thread: the real decisions behind a simulated daemon, journal, network, agents, hosts and people.
// First the weather is as bad as the scenario says, and nothing unsafe may happen (safety). Then it is fine, and every
// job must end (liveness).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/sim_agent.h"
#include "tests/sim/sim_coordinator.h"
#include "tests/sim/sim_shell.h"

namespace still::sim {

struct RunResult {
  std::string broken;             // the first broken promise, or empty
  std::vector<std::string> last;  // the events before it, if they were traced
  std::uint64_t events = 0;
  std::uint64_t crashes = 0;  // of the coordinator
  std::uint64_t attempts = 0;
  std::uint64_t most_busy = 0;                // most slots with a process at one time
  std::map<v1::Cause, std::uint64_t> causes;  // lines of the history
  std::uint32_t checksum = 0;                 // of the journal
};

class SimCluster {
 public:
  SimCluster(const Scenario& scenario, Mutation mutation, bool traced);
  SimCluster(const SimCluster&) = delete;
  SimCluster& operator=(const SimCluster&) = delete;

  RunResult Run();

 private:
  using Reply = std::function<void(const v1::ClientReply&)>;

  ShellSurroundings Surroundings();
  coordinator::ArtifactProbe Probe(const v1::JobSpec& spec) const;
  void PlanPeople();
  void PlanFaults();
  // Calls `strike` again and again while the weather is bad.
  void Often(std::int64_t mean_ms, std::function<void()> strike);
  void CrashHost();
  void CutHost();
  void CrashAgent();
  void CutAgent();
  void CrashCoordinator();
  void FillDisk();
  void ReturnCoordinator();
  std::vector<v1::Host> Inventory();
  void Heal();
  // Lifts the holds and drains that people left behind.
  void Tidy();
  bool AtRest() const;

  // The network: a message may come late, twice, or not at all.
  void Send(std::function<void()> deliver);
  void SendReport(const v1::AgentReport& report);
  void SendOrders(AttemptId attempt, const v1::AgentOrders& orders);
  // Asks again until there is an answer.
  void Ask(v1::ClientRequest request, Reply reply);
  void AskAgain(std::uint64_t request);
  void Answered(const v1::ClientReply& reply);
  void Submit(const PlannedSubmit& planned);
  void Act(const PlannedAct& act);
  void Drain(const std::string& host, bool drain);
  void StartAgent(const v1::AgentTask& task);

  const Scenario& scenario_;
  EventQueue queue_;
  Verdict verdict_;
  Dice dice_;
  Weather weather_;
  const coordinator::JobDecisions decisions_;
  const coordinator::JobDecisions judge_;
  Machines machines_;
  RecordChecker checker_;
  bool disk_full_ = false;
  std::unique_ptr<CoordinatorShell> coordinator_;
  std::map<AttemptId, std::unique_ptr<SimAgent>> agents_;  // all that ever were, each with its directory
  std::map<AttemptId, SimAgent*> living_;
  std::set<AttemptId> mute_;                                            // agents that the coordinator does not hear
  std::set<AttemptId> deaf_;                                            // agents that do not hear the coordinator
  std::map<std::uint64_t, std::pair<v1::ClientRequest, Reply>> asked_;  // without an answer
  std::uint64_t next_request_ = 1;
  bool healed_ = false;
};

// Runs a scenario to its end.
RunResult RunScenario(const Scenario& scenario, const Mutation& mutation = {}, bool traced = false);

}  // namespace still::sim
