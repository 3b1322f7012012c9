// Makes the artifact of one job, once: what an agent does, in a process of its own (agent_process.h) or a thread.
// Safe to be killed at any instant and started again: what counts is on disk, as artifacts and, of those in the making,
// in their jobs' journals.
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

// Whether the artifact of a job stands. Asks its file system, which may take its time.
bool IsMade(const stillhouse::v1::JobSpec& spec);
// The same, for who would reuse it: what killed processes left of its making goes, unless somebody is at it.
bool IsMadeToReuse(const stillhouse::v1::JobSpec& spec);

struct JobRunOptions {
  // Another run may be at the same artifact under the same root: wait for it, or fail with UNAVAILABLE.
  bool wait_for_others = true;
};

// Whether RunJob makes it in its own process: a corpus that got one rank, which needs no mpirun.
bool MadeInAgent(const stillhouse::v1::AgentTask& task);

// Runs until the artifact stands, or cannot be made. `stops` counts requests to stop: after the first one training
// finishes its step and publishes it, and other stages end; after the second one nothing is waited for.
JobOutcome RunJob(const stillhouse::v1::AgentTask& task, const JobRunOptions& options, cluster::Launcher& launcher,
                  Clock& clock, const AgentCallbacks& callbacks, const std::atomic<int>& stops);

}  // namespace still::coordinator
