// Checks what must hold of the coordinator's records after every event.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/jobs/decisions.h"
#include "tests/sim/machines.h"
#include "tests/sim/verdict.h"

namespace still::sim {

// Checks the records after every commit. It keeps a state of its own, made of what was committed: so a check costs as
// much as the change, and a restarted coordinator can be compared with what it knew before.
class RecordChecker {
 public:
  RecordChecker(const coordinator::JobDecisions* decisions, const Scenario& scenario, const Machines* machines,
                coordinator::ArtifactProber probe, Verdict* verdict)
      : decisions_(decisions),
        options_(scenario.decisions.scheduler),
        inventory_changes_(scenario.weather.inventory_change > 0),
        machines_(machines),
        probe_(std::move(probe)),
        verdict_(verdict) {}

  // These changes are durable now, whether or not they were acted on.
  void Committed(const coordinator::Changes& changes, UnixMs now);
  void Acknowledged(const std::string& key, std::uint64_t pipeline, const std::vector<std::uint64_t>& jobs);
  // A restarted coordinator has this state.
  void Recovered(const coordinator::State& state);
  // The inventory has these hosts. A host that left and came back counts like any other.
  void HasInventory(const std::vector<v1::Host>& hosts);
  // Decisions have come to rest. Every waiting job has a reason and, in the queue, a place of its own. The first in the
  // queue has no room. No job runs beyond its limit, or waits for something that never comes.
  void Settled(UnixMs now);
  // A person was told that the change was made. It must be.
  void Obeyed(const v1::ChangeJobs& change, const std::vector<std::uint64_t>& jobs);
  // To be called before these starts are committed: none of them delays a job that waits above it. Costs two schedules.
  void Backfills(const coordinator::Changes& changes, UnixMs now);
  // Checks all records by the invariants of the product.
  void Whole();

  const coordinator::State& state() const { return state_; }
  // Returns the number of lines of the history by cause.
  const std::map<v1::Cause, std::uint64_t>& causes() const { return causes_; }

 private:
  void CheckNew(const v1::Job& job);
  void CheckJob(const v1::Job& before, const v1::Job& after, UnixMs now);
  void CheckStart(const v1::Job& before, const v1::Job& after, UnixMs now);
  void CheckEvent(const v1::HistoryEvent& event);
  void CheckBooks(const v1::Job& job);
  void Book(const v1::Job& job, bool add);
  bool HasRoom(const v1::Job& job, UnixMs now) const;
  void CheckWait(const v1::Job& job, const coordinator::Wait& wait, UnixMs now);
  double RankOf(const v1::Job& job, UnixMs now) const;
  void CheckAcknowledged(const coordinator::State& state);
  void Broken(const v1::Job& job, const std::string& what);

  const coordinator::JobDecisions* decisions_;
  const coordinator::SchedulerOptions options_;
  const bool inventory_changes_;
  const Machines* machines_;
  const coordinator::ArtifactProber probe_;
  Verdict* verdict_;
  coordinator::State state_;
  std::uint64_t next_sequence_ = 1;
  std::map<v1::Cause, std::uint64_t> causes_;
  std::map<std::string, std::uint64_t> used_;                       // slots by host
  std::map<std::string, std::uint64_t> makers_;                     // jobs that hold slots, by digest
  std::map<std::uint64_t, v1::JobState> told_;                      // the state of each job by the history
  std::map<std::string, std::vector<std::uint64_t>> acknowledged_;  // jobs by key
  std::map<std::string, std::uint64_t> acknowledged_pipelines_;     // by key
};

}  // namespace still::sim
