// The guardian of a rank is a child process that watches the rank, reports for it while it computes, and kills it when
// it must.
//
// clang-format off
//   heartbeat   sends phase, step and microbatch a few times per second, over a connection of its own
//   hang        sees no progress for longer than the phase allows (hang_rule.h): makes the rank log its stack, tells
//               the coordinator and sends SIGKILL, so that a hang becomes a death, which the others recover from
//   fence       hears from the coordinator that this rank's generation is over: sends SIGKILL
//   orphan      has had no answer from the coordinator for `orphan_seconds`: sends SIGKILL
//   drain       is asked by the coordinator for an end: passes it on in shared memory
// clang-format on
//
// The guardian ends with its rank (parent-death signal), after it has reported where the rank was. A rank whose
// guardian dies kills itself (SIGCHLD). Unwatched it could hang for ever and could not be fenced; a dead rank is
// recovered from.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/rpc/rpc.h"
#include "common/status.h"
#include "worker/guardian/hang_rule.h"
#include "worker/guardian/shared_progress.h"

namespace still::worker {

struct GuardianOptions {
  std::string endpoint;               // of the coordinator
  std::optional<RpcClientKeys> keys;  // to connect with; none when the endpoint accepts anybody
  std::uint64_t generation = 1;       // of the launch
  int rank = 0;                       // at launch
  std::string log_name;               // "train/guardian-1"
  HangLimits hang;
  double orphan_seconds = 60;
};

class Guardian {
 public:
  // Forks the guardian of this process. Call it in the main thread, before any other thread exists and before MPI_Init.
  // A process has at most one guardian. From here on SIGTERM asks for a drain. SIGUSR1 writes the main thread's stack
  // to stderr; sent by the guardian, it also keeps the main thread there. SIGCHLD kills the rank when its guardian
  // dies. RESOURCE_EXHAUSTED when there is no memory to share or no process to fork.
  static Result<std::unique_ptr<Guardian>> Start(const GuardianOptions& options);
  // Ends the child and restores the handlers of the three signals.
  virtual ~Guardian() = default;

  virtual SharedProgress& words() = 0;
  virtual int pid() const = 0;
};

}  // namespace still::worker
