// The waiting jobs of a state, sorted into those that only slots hold back, which the scheduler is asked about, and
// those with other reasons to wait. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cluster/placement.h"
#include "coordinator/jobs/state.h"
#include "coordinator/scheduler/scheduler.h"

namespace still::coordinator {

// What is known of an artifact.
class ArtifactProbe {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): who asks and waits for the answer has one.
  ArtifactProbe(bool made) : known_(true), made_(made) {}
  // Its file system has been asked and has not answered for so long.
  static ArtifactProbe Unknown(std::int64_t unanswered_ms) {
    ArtifactProbe sight(false);
    sight.known_ = false;
    sight.unanswered_ms_ = unanswered_ms;
    return sight;
  }

  bool known() const { return known_; }
  bool made() const { return made_; }
  std::int64_t unanswered_ms() const { return unanswered_ms_; }

 private:
  bool known_;
  bool made_;
  std::int64_t unanswered_ms_ = 0;
};
// Answers at once.
using ArtifactProber = std::function<ArtifactProbe(const stillhouse::v1::JobSpec&)>;
std::string ArtifactPath(const stillhouse::v1::JobSpec& spec);

struct Queue {
  std::vector<QueuedJob> ready;
  std::vector<RunningJob> running;
  std::map<std::uint64_t, std::vector<Reason>> blocked;  // by other things than slots
  std::vector<cluster::HostSlots> hosts;
};

// A job of which it is not known whether its artifact exists waits.
Queue QueueOf(const State& state, const ArtifactProber& sights, UnixMs now);

// All that holds it back but slots and other jobs that make the same artifact.
std::vector<Reason> ReasonsOtherThanSlots(const State& state, const stillhouse::v1::Job& job, UnixMs now);

// The gang as it would be started: after the loss of a host a job goes on with the ranks that the hosts that are left
// can hold.
cluster::GangShape GangOf(const stillhouse::v1::Job& job, const std::vector<cluster::HostSlots>& hosts);

}  // namespace still::coordinator
