// Decides what follows when a launch has ended. Pure: it uses no clock, no disk and no network. Survivors that go on
// without a relaunch decide that themselves (worker/train/survivors.h), and gang_protocol.cc admits them.
//
// clang-format off
//   success                               done
//   cancelled                             fail: CANCELLED
//   a process died, a peer is gone        relaunch: at once when a step was gained since the last death, else after a
//   (UNAVAILABLE, ABORTED)                growing pause; after `same_step_failures` deaths without a gain, fail with
//                                         the evidence
//   one of several hosts was lost, and    fail: UNAVAILABLE; the coordinator places the job elsewhere
//   no survivors went on in place
//   anything else, which a rank reported  fail at once: it would happen again
// clang-format on
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>

#include "common/enum_words.h"
#include "common/proto/coordinator.pb.h"
#include "common/status.h"

namespace still::coordinator {

struct RelaunchPolicy {
  v1::Stage stage = v1::STAGE_UNSPECIFIED;  // in messages
  std::uint32_t same_step_failures = 3;
  bool several_hosts = false;  // whether the job is placed on more than one host
};

enum class NextAction { kDone, kRelaunch, kFail };

struct Decision {
  NextAction action = NextAction::kDone;
  std::chrono::milliseconds backoff{0};  // before a relaunch
  Status failure;                        // for kFail: what died where, with the evidence
};

// Returns in a few words how the generation ended: "rank 1 died in compute of step 17", "done", or the first line of
// what a rank reported.
std::string EndText(const v1::GenerationEnd& end);

// Returns whether another try may help, because nothing is wrong with the work itself.
bool IsDeath(Code code);

// Decides what follows `ends`: how the generations of one attempt ended, oldest first, in-place ones included. There is
// at least one.
Decision Decide(std::span<const v1::GenerationEnd> ends, const RelaunchPolicy& policy);

}  // namespace still::coordinator
