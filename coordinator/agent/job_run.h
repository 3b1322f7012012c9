// Makes the artifact of one job. An agent does this in a process of its own (agent_process.h) or in a thread.
// It may be killed at any instant and started again: what counts is on disk, as artifacts and in the jobs' journals.
//
//   <artifacts>/jobs/<kind>-<digest>/  lock  journal/ (job_journal.h)
#pragma once

#include <atomic>
#include <string>

#include "cluster/launcher.h"
#include "common/clock.h"
#include "common/proto/coordinator.pb.h"
#include "coordinator/agent/agent_status.h"

namespace still::coordinator {

// Returns whether the artifact of a job stands. It asks the file system, which may block.
bool IsMade(const v1::JobSpec& spec);
// Deletes what killed processes left behind when they made the artifact, unless a live one holds the job's lock. A
// failure is only logged. May block.
void RemoveLeftovers(const v1::JobSpec& spec);

// Returns whether RunJob makes the artifact in its own process: a corpus that got one rank needs no mpirun.
bool MadeInAgent(const v1::AgentTask& task);

// Runs until the artifact stands, or cannot be made. While another run makes the same artifact under the same root,
// this one waits for it, or fails with UNAVAILABLE without `wait_for_others`. `stops` counts requests to stop. After
// the first one training finishes its step and publishes it, and other stages end. After the second one the ranks are
// killed.
JobOutcome RunJob(const v1::AgentTask& task, bool wait_for_others, cluster::Launcher& launcher, Clock& clock,
                  const AgentCallbacks& callbacks, const std::atomic<int>& stops);

}  // namespace still::coordinator
