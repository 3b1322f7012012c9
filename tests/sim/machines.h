// The truth about the cluster, which the coordinator knows from reports only: which processes run where, and what is on
// the shared file system. It checks that the coordinator's decisions are safe in fact, not only in its records.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "common/proto/coordinator.pb.h"
#include "tests/sim/scenario.h"
#include "tests/sim/verdict.h"

namespace still::sim {

using AttemptId = std::pair<std::uint64_t, std::uint64_t>;  // job, attempt

// The directory of an artifact that is being made. It outlives every agent and coordinator.
struct Artifact {
  Work work;
  std::uint64_t generation = 0;  // in its own journal
  std::uint64_t step = 0;        // of the newest checkpoint
  bool made = false;
};

struct SimHost {
  std::uint32_t slots = 0;
  std::uint32_t busy = 0;  // slots of processes that can be reached
  bool up = true;
  bool cut = false;  // its processes continue, and nobody reaches them

  bool reachable() const { return up && !cut; }
};

class Machines {
 public:
  Machines(const Scenario& scenario, Verdict* verdict);

  std::map<std::string, SimHost>& hosts() { return hosts_; }
  Artifact& artifact(const v1::JobSpec& spec) { return artifacts_.at(spec.digest()); }
  bool IsMade(const v1::JobSpec& spec) const;

  // The ranks of an attempt start. The promise is broken when a slot has a process already, or the artifact a maker.
  void Occupy(AttemptId attempt, const v1::AgentTask& task);
  // The ranks are gone, or lost with a host that nobody reaches.
  void Vacate(AttemptId attempt);
  void VacateHost(AttemptId attempt, const std::string& host);
  bool HasProcesses(AttemptId attempt) const { return occupied_.contains(attempt); }
  // Returns the most slots that had a process at one time.
  std::uint64_t most_busy() const { return most_busy_; }
  std::size_t attempts_with_processes() const { return occupied_.size(); }
  // A maker has made the artifact. The promise is broken when it was made before.
  void Publish(AttemptId attempt, Artifact* artifact);

 private:
  struct Occupation {
    std::string digest;
    std::map<std::string, std::uint32_t> slots;  // by host
  };

  Verdict* verdict_;
  std::uint64_t busy_ = 0;
  std::uint64_t most_busy_ = 0;
  std::map<std::string, SimHost> hosts_;
  std::map<std::string, Artifact> artifacts_;  // by digest
  std::map<AttemptId, Occupation> occupied_;
  std::map<std::string, AttemptId> makers_;  // by digest
};

}  // namespace still::sim
