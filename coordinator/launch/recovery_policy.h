// What to do when a generation has ended. Pure: no clock, no disk, no network; whoever supervises generations asks
// here.
//
//   success                               done
//   cancelled                             fail: CANCELLED
//   a process died, a peer is gone        relaunch: at once when a step was gained since the last death, else after a
//   (UNAVAILABLE, ABORTED)                growing pause; after `same_step_failures` deaths without a gain, fail with
//                                         the evidence
//   a host of several was lost            fail: UNAVAILABLE; whoever placed the job places it elsewhere
//   anything else, which a rank reported  fail at once: it would happen again
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>

#include "common/status.h"
#include "coordinator/launch/generation_end.h"

namespace still::coordinator {

struct RecoveryPolicy {
  std::string stage;  // name, in messages
  std::uint32_t same_step_failures = 3;
  bool several_hosts = false;  // the job's placement has
};

enum class NextAction { kDone, kRelaunch, kFail };

struct Decision {
  NextAction action = NextAction::kDone;
  std::chrono::milliseconds backoff{0};  // before a relaunch
  Status failure;                        // of kFail: what, where, the evidence, what to do
};

// Whether another try may help: nothing is wrong with the work itself.
bool IsDeath(Code code);

// How many deaths there were since a step was last gained; 1 for a death at a step not reached before.
std::uint32_t DeathsInARow(std::span<const GenerationEnd> ends);

// `ends` are those of one run of one stage, oldest first, in-place ones included; at least one.
Decision Decide(std::span<const GenerationEnd> ends, const RecoveryPolicy& policy);

}  // namespace still::coordinator
