// The waiting jobs of a state, sorted into those that wait for slots only and those that wait for something else. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cluster/placement.h"
#include "coordinator/jobs/artifact_probe.h"
#include "coordinator/jobs/state.h"
#include "coordinator/scheduler/scheduler.h"

namespace still::coordinator {

// The jobs that the scheduler is asked about, and those that it is not asked about yet.
struct Queue {
  std::vector<QueuedJob> ready;  // wait for slots only
  std::vector<RunningJob> running;
  std::map<std::uint64_t, std::vector<Reason>> blocked;  // wait for something else, by id
  std::vector<cluster::HostSlots> hosts;
};

// Returns the queue. A job is blocked while it is not known whether its artifact exists. Of several jobs that make the
// same artifact, one goes first and the others are blocked.
Queue QueueOf(const State& state, const ArtifactProber& probe, UnixMs now);

// Returns what blocks the job, except for slots, its own artifact, and other jobs that make the same artifact.
std::vector<Reason> ReasonsOtherThanSlots(const State& state, const v1::Job& job, UnixMs now);

// Returns whether the host takes new work, and why it does not: "" for a host that is up.
v1::HostState HostStateOf(const v1::Host& host, UnixMs now);
std::string ClosedReason(const v1::Host& host, UnixMs now);

// Returns "<root>/<kind>/<digest>".
std::string ArtifactPath(const v1::JobSpec& spec);

}  // namespace still::coordinator
