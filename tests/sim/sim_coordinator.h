// The daemon around the core as the simulator has it: journal, then state, then deeds. It dies at any commit and comes
// back from the journal.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/jobs/decisions.h"
#include "tests/sim/dice.h"
#include "tests/sim/sim_journal.h"
#include "tests/sim/sim_shell.h"

namespace still::sim {

// What is done to the core's decisions before they count: how the checks are checked.
struct Mutation {
  std::function<void(const coordinator::State&, coordinator::Changes*)> decide;
  std::function<void(std::vector<coordinator::Changes>*)> replay;
  std::optional<coordinator::DecisionOptions> decisions;  // decides by other rules than it is judged by
  bool guesses = false;  // takes an artifact of which nothing is known for one that is not there
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

  void Hear(const v1::AgentReport& report) override;
  void Ask(const v1::ClientRequest& request) override;

 private:
  enum class Written { kDone, kRefused, kDied };

  Written Commit(coordinator::Changes changes);
  // Commits and acts.
  Written Take(coordinator::Changes changes);
  void Act(const coordinator::Changes& changes);
  void StartAgent(const v1::Job& job);
  // Nothing: it died of the question.
  std::optional<v1::ClientReply> Decide(const v1::ClientRequest& request);
  Result<coordinator::Changes> Attach(const v1::Attach& attach);
  // By the clock of its host, which somebody may set.
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
