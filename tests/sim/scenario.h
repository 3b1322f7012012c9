// The scenario that a seed stands for: the machines, the work, what people do and when, and how bad the weather is. A
// function of the seed alone.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "coordinator/jobs/decisions.h"

namespace still::sim {

// Probabilities and rates of faults. All are zero in the liveness phase.
struct Weather {
  double loss = 0;  // a message is lost
  double duplicate = 0;
  double late = 0;                 // a message comes up to half a minute late, behind later ones
  double rank_death = 0;           // a launch loses a rank before it is done
  double launch_failure = 0;       // an agent cannot be started
  double torn_commit = 0;          // the coordinator dies in a commit
  double inventory_change = 0;     // at a restart: hosts are missing, or have other slots
  std::int64_t clock_step_ms = 0;  // at a restart: the coordinator's clock is off by at most this
  double full_disk = 0;            // after a commit or a failed start the disk is full, for a while
  double unanswered = 0;           // for some seconds it is unknown whether an artifact exists
  // Mean times between two faults, in simulated ms; 0: never.
  std::int64_t coordinator_crash_ms = 0;
  std::int64_t agent_crash_ms = 0;
  std::int64_t agent_cut_ms = 0;  // an agent and the coordinator do not reach each other
  std::int64_t host_crash_ms = 0;
  std::int64_t host_cut_ms = 0;  // the agents do not reach a host; its processes continue
  std::int64_t disk_full_ms = 0;
};

// The cost of making one artifact when nothing fails.
struct Work {
  v1::Stage stage = v1::STAGE_TRAIN;
  std::uint64_t steps = 1;
  std::int64_t step_ms = 1000;
  std::uint64_t checkpoint_every = 1;
  bool hopeless = false;  // ends in an error, in every attempt
};

// The reasons for which a submission must be refused.
inline constexpr char kBadName[] = "bad";

struct PlannedSubmit {
  std::int64_t at_ms = 0;
  bool valid = true;
  v1::Submit submit;
};

// One thing that a person does to a job or pipeline. `dice` chooses it among those that exist at that time.
struct PlannedAct {
  std::int64_t at_ms = 0;
  v1::JobVerb verb = v1::JOB_VERB_CANCEL;
  bool drain = false;   // instead: drains a host for a while
  bool attach = false;  // instead: types mpirun for the job
  std::uint64_t dice = 0;
};

struct Scenario {
  std::uint64_t seed = 0;
  bool daemon = false;  // runs the coordinator of `still serve`, else the simulator's own with the same decisions
  std::vector<v1::Host> hosts;
  std::vector<PlannedSubmit> submits;
  std::vector<PlannedAct> acts;
  std::map<std::string, Work> work;  // by digest
  Weather weather;
  coordinator::DecisionOptions decisions;
  std::int64_t safety_ms = 0;  // how long the bad weather lasts
  std::int64_t report_ms = 0;  // time between two reports of an agent
  std::int64_t decide_ms = 0;  // how long the coordinator collects events before it decides which jobs start
  std::size_t jobs = 0;

  std::string Text() const;
};

Scenario ScenarioOf(std::uint64_t seed);
// Returns the scenario of full size: 10,240 slots on 320 hosts, 1,000 jobs.
Scenario FullScenarioOf(std::uint64_t seed);

}  // namespace still::sim
