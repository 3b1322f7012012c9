// The coordinator of `still serve` (daemon/coordinator.h) with its own journal, on a simulated disk, clock, network
// and agents. It is driven as the daemon's loop drives it.
#pragma once

#include <memory>
#include <string>

#include "coordinator/daemon/coordinator.h"
#include "tests/sim/dice.h"
#include "tests/sim/sim_shell.h"
#include "tests/sim/sim_store.h"

namespace still::sim {

class SimDaemon : public CoordinatorShell {
 public:
  SimDaemon(std::uint64_t key, ShellSurroundings around);
  ~SimDaemon() override;

  void Start() override;
  void Crash() override;
  bool up() const override { return process_ != nullptr; }
  std::uint64_t crashes() const override { return crashes_; }
  std::uint32_t JournalChecksum() const override { return disk_.checksum; }
  coordinator::State OnDisk() override;

  void OnReport(const v1::AgentReport& report) override;
  void OnRequest(const v1::ClientRequest& request) override;

 private:
  struct Process;

  void Deliver(const std::string& peer, const v1::CoordinatorMessage& message);
  void RoundSoon();
  void Round();
  void Deliver(const coordinator::OutgoingMessage& answer);
  void Committed(const std::vector<coordinator::Changes>& batch);
  SimStore::Around Store();
  void Whenever(std::int64_t delay_ms, void (SimDaemon::*what)());

  Dice dice_;
  const ShellSurroundings around_;
  SimDisk disk_;
  std::unique_ptr<Process> process_;
  std::uint64_t crashes_ = 0;
  std::uint64_t commits_ = 0;
  bool round_soon_ = false;
  bool dead_ = false;  // died in a commit, and was not removed yet
};

}  // namespace still::sim
