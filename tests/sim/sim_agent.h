// A scripted agent: the detached process that runs one attempt of a job, with its mpirun and ranks. It launches them,
// loses some and launches again, drains, and ends. It leaves its outcome in a file and reports until it is
// acknowledged. Its lock is free only when its ranks are gone, since they hold it too.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "common/status.h"
#include "tests/sim/dice.h"
#include "tests/sim/machines.h"

namespace still::sim {

class SimAgent {
 public:
  struct Around {
    EventQueue* queue = nullptr;
    Machines* machines = nullptr;
    Verdict* verdict = nullptr;
    const Weather* weather = nullptr;
    std::int64_t report_ms = 0;
    std::function<void(const v1::AgentReport&)> send;
    std::function<void()> gone;
  };

  SimAgent(v1::AgentTask task, std::uint64_t key, Around around);
  SimAgent(const SimAgent&) = delete;
  SimAgent& operator=(const SimAgent&) = delete;

  void OnOrders(const v1::AgentOrders& orders);
  // The agent is killed. Its ranks die a little later.
  void Crash();
  // A host of its ranks crashed (`dead`) or is cut off. The agent finds out after a while, if that still holds then.
  void LoseHost(const std::string& host, bool dead);

  AttemptId id() const { return {task_.job(), task_.attempt()}; }
  bool alive() const { return phase_ != Phase::kDying && phase_ != Phase::kGone; }
  bool locked() const { return phase_ != Phase::kGone; }
  // Returns the content of its outcome file, which outlives it.
  const std::optional<v1::AgentReport>& outcome_file() const { return outcome_file_; }
  bool UsesHost(const std::string& host) const;

 private:
  enum class Phase { kStarting, kLaunching, kRunning, kPausing, kEnding, kEnded, kDying, kGone };

  // Runs `what` later, unless the agent has left its phase by then.
  void Later(std::int64_t delay_ms, void (SimAgent::*what)());
  void Enter(Phase phase);
  bool launched() const { return phase_ == Phase::kLaunching || phase_ == Phase::kRunning; }
  void Launch();
  void Step();  // its ranks have reported
  void Finish();
  void LoseRank();
  void FinishDrain();
  void Release();  // its ranks and the agent itself are gone
  // Kills its ranks and ends with this outcome.
  void End(Code code, const std::string& message, const std::string& lost_host = "");
  void WriteOutcome();
  void Report();
  void ReportAgain();
  std::uint64_t StepNow() const;

  const v1::AgentTask task_;
  Dice dice_;
  const Around around_;
  Artifact* const artifact_;
  Phase phase_ = Phase::kStarting;
  std::uint64_t entered_ = 0;  // counts phases
  bool drain_ = false;
  bool kill_ = false;
  std::uint64_t sequence_ = 0;
  std::uint64_t deaths_ = 0;  // in a row, without a new checkpoint
  std::uint64_t start_step_ = 0;
  UnixMs started_ms_ = 0;
  std::uint64_t generation_ = 0;
  std::string dead_host_;
  bool recovering_ = false;  // reported with the next generation
  v1::AgentOutcome outcome_;
  std::optional<v1::AgentReport> outcome_file_;
};

}  // namespace still::sim
