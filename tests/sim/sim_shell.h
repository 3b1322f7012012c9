// The calls of a coordinator that a simulated cluster needs. It is either the simulator's own, which can be broken on
// purpose (sim_coordinator.h), or the one that `still serve` runs (sim_daemon.h).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "common/proto/coordinator.pb.h"
#include "tests/sim/machines.h"
#include "tests/sim/record_checker.h"

namespace still::sim {

// The parts of an attempt's directory that a coordinator sees.
struct AttemptDirectory {
  bool locked = false;
  std::optional<v1::AgentReport> outcome;
};

// The world around a coordinator.
struct ShellSurroundings {
  EventQueue* queue = nullptr;
  Verdict* verdict = nullptr;
  RecordChecker* checker = nullptr;
  const Scenario* scenario = nullptr;
  const Weather* weather = nullptr;
  const bool* disk_full = nullptr;
  std::function<void()> fill_disk;
  coordinator::ArtifactProber probe;
  // Returns nothing when no agent was ever started for the attempt.
  std::function<std::optional<AttemptDirectory>(AttemptId)> directory_of;
  std::function<std::vector<v1::Host>()> inventory;
  std::function<void(const v1::AgentTask&)> start_agent;
  std::function<void(AttemptId, const v1::AgentOrders&)> answer_agent;
  std::function<void(const v1::ClientReply&)> answer_client;
};

class CoordinatorShell {
 public:
  virtual ~CoordinatorShell() = default;
  virtual void Start() = 0;
  virtual void Crash() = 0;
  virtual bool up() const = 0;
  virtual std::uint64_t crashes() const = 0;
  virtual std::uint32_t JournalChecksum() const = 0;
  // Returns the state that a restart would find on disk.
  virtual coordinator::State OnDisk() = 0;

  // Messages to the coordinator. They are lost while it is down.
  virtual void OnReport(const v1::AgentReport& report) = 0;
  virtual void OnRequest(const v1::ClientRequest& request) = 0;
};

}  // namespace still::sim
