// The simulator's own coordinator around the decisions: it writes the journal, then changes the state, then acts. It
// dies at any commit and comes back from the journal.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "coordinator/jobs/decisions.h"
#include "tests/sim/dice.h"
#include "tests/sim/sim_journal.h"
#include "tests/sim/sim_shell.h"

namespace still::sim {

// A mutant changes decisions like this before they count, which tests the checks.
struct Mutation {
  std::function<void(const coordinator::State&, coordinator::Changes*)> decide;
  std::function<void(std::vector<coordinator::Changes>*)> replay;
  std::optional<coordinator::DecisionOptions> decisions;  // replace the options that the checks judge by
  bool guesses = false;                                   // treats an artifact of which nothing is known as missing
};

class SimCoordinator : public CoordinatorShell {
 public:
  SimCoordinator(const coordinator::JobDecisions* decisions, Mutation mutation, std::uint64_t key,
                 ShellSurroundings around);
  SimCoordinator(const SimCoordinator&) = delete;
  SimCoordinator& operator=(const SimCoordinator&) = delete;

  void Start() override;
  void Crash() override;
  bool up() const override { return up_; }
  std::uint64_t crashes() const override { return crashes_; }
  std::uint32_t JournalChecksum() const override { return journal_.Checksum(); }
  coordinator::State OnDisk() override;

  void OnReport(const v1::AgentReport& report) override;
  void OnRequest(const v1::ClientRequest& request) override;

 private:
  enum class Written { kDone, kRefused, kDied };

  Written Commit(coordinator::Changes changes);
  // Commits the changes, and acts on them when they are durable.
  Written CommitAndAct(coordinator::Changes changes);
  void Act(const coordinator::Changes& changes);
  void StartAgent(const v1::Job& job);
  // Returns nothing when the coordinator died while it answered.
  std::optional<v1::ClientReply> Decide(const v1::ClientRequest& request);
  Result<coordinator::Changes> Attach(const v1::Attach& attach);
  // Returns the time of its host's clock, which somebody may set.
  UnixMs now() const { return around_.queue->now() + skew_ms_; }
  void WakeSoon();
  void Wake();
  void Tick();
  void LookAfter(const v1::Job& job);
  void Whenever(std::int64_t delay_ms, void (SimCoordinator::*what)());

  const coordinator::JobDecisions* decisions_;
  const Mutation mutation_;
  Dice dice_;
  const ShellSurroundings around_;
  SimJournal journal_;
  coordinator::State state_;
  bool up_ = false;
  bool waking_ = false;
  std::uint64_t crashes_ = 0;
  std::uint64_t wakes_ = 0;
  std::int64_t skew_ms_ = 0;
  UnixMs last_wake_ms_ = 0;
  int wakes_at_once_ = 0;
};

}  // namespace still::sim
