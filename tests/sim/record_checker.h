// What must hold of the coordinator's records after every event. Keeps a state of its own, made of what was committed,
// so that a check costs as much as the change, and a coordinator that comes back can be compared with what it knew.
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

class RecordChecker {
 public:
  RecordChecker(const coordinator::JobDecisions* decisions, const Scenario& scenario, const Machines* machines,
                coordinator::ArtifactProber sights, Verdict* verdict)
      : decisions_(decisions),
        options_(scenario.decisions.scheduler),
        inventory_changes_(scenario.weather.inventory_change > 0),
        machines_(machines),
        sights_(std::move(sights)),
        verdict_(verdict) {}

  // These are durable now, acted on or not.
  void Committed(const coordinator::Changes& changes, UnixMs now);
  void Acknowledged(const std::string& key, std::uint64_t pipeline, const std::vector<std::uint64_t>& jobs);
  // A coordinator came back with this.
  void Recovered(const coordinator::State& state);
  // The hosts are these; one that went and came back is as good as any.
  void HasInventory(const std::vector<v1::Host>& hosts);
  // Decisions have come to rest: everybody who waits has a reason and, in the queue, a place of its own; the first in
  // the queue has no room; nobody runs beyond its limit, or waits for what never comes.
  void Settled(UnixMs now);
  // What a person was told had been done, is.
  void Obeyed(const v1::ChangeJobs& change, const std::vector<std::uint64_t>& jobs);
  // Before these starts are committed: none of them delays a job that waits above it. Costs two schedules.
  void Backfills(const coordinator::Changes& changes, UnixMs now);
  // All of it, as the core itself says it.
  void Whole();

  const coordinator::State& state() const { return state_; }
  // Lines of the history by cause.
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
  const coordinator::ArtifactProber sights_;
  Verdict* verdict_;
  coordinator::State state_;
  std::uint64_t next_sequence_ = 1;
  std::map<v1::Cause, std::uint64_t> causes_;
  std::map<std::string, std::uint64_t> used_;                       // slots by host
  std::map<std::string, std::uint64_t> makers_;                     // jobs that hold slots, by digest
  std::map<std::uint64_t, v1::JobState> told_;                      // by the history, of each job
  std::map<std::string, std::vector<std::uint64_t>> acknowledged_;  // jobs by key
  std::map<std::string, std::uint64_t> acknowledged_pipelines_;     // by key
};

}  // namespace still::sim
