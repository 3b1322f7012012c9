// A scripted agent: the detached process that makes one attempt of a job, with its mpirun and ranks. Launches them,
// loses some and launches again, drains, ends, leaves its outcome in a file, reports until it is acknowledged. Its lock
// is free only when its ranks are gone: they hold it with it.
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

  void Hear(const v1::AgentOrders& orders);
  // It is killed; its ranks die a little later.
  void Crash();
  // A host of its ranks crashed (`dead`) or is cut off: it finds out after a while, when that still holds.
  void LoseHost(const std::string& host, bool dead);

  AttemptId id() const { return {task_.job(), task_.attempt()}; }
  bool alive() const { return phase_ != Phase::kDying && phase_ != Phase::kGone; }
  bool locked() const { return phase_ != Phase::kGone; }
  // What its file says: outlives it.
  const std::optional<v1::AgentReport>& last_words() const { return last_words_; }
  bool UsesHost(const std::string& host) const;

 private:
  enum class Phase { kStarting, kLaunching, kRunning, kPausing, kEnding, kEnded, kDying, kGone };

  // Runs `what` unless the phase was left meanwhile.
  void Later(std::int64_t delay_ms, void (SimAgent::*what)());
  void Enter(Phase phase);
  bool launched() const { return phase_ == Phase::kLaunching || phase_ == Phase::kRunning; }
  void Launch();
  void Step();  // its ranks have been heard
  void Finish();
  void LoseRank();
  void FinishDrain();
  void Release();  // its ranks are gone, and it with them
  // Its ranks are killed; then that is its outcome.
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
  std::uint64_t deaths_ = 0;  // in a row without a checkpoint gained
  std::uint64_t start_step_ = 0;
  UnixMs started_ms_ = 0;
  std::uint64_t generation_ = 0;
  std::string dead_host_;
  bool recovering_ = false;  // reported with the next generation
  v1::AgentOutcome outcome_;
  std::optional<v1::AgentReport> last_words_;
};

}  // namespace still::sim
