// The guardian of a rank: a child process that watches it, speaks for it while it computes, and ends it when it must.
//
//   heartbeats   phase, step and microbatch over a control link of its own, a few times a second
//   hang         no progress for longer than the phase allows (hang_rule.h): stack of the rank into the log, the
//                coordinator is told, SIGKILL: a hang becomes a death, which the others recover from
//   fence        the coordinator says that this rank's time is over: SIGKILL
//   orphan       the coordinator has not answered for `orphan_seconds`: SIGKILL
//   drain        the coordinator asks for an end: passed on in shared memory
// It ends with its rank (parent-death signal), after telling where that was. A rank whose guardian dies kills itself
// (SIGCHLD): unwatched, it could neither be unhung nor fenced, and a dead rank is recovered from.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/rpc/rpc.h"
#include "common/status.h"
#include "worker/guardian/hang_rule.h"
#include "worker/guardian/progress_words.h"

namespace still::worker {

struct GuardianOptions {
  std::string endpoint;               // of the coordinator,
  std::optional<RpcClientKeys> keys;  // and what to connect to it with; none: it takes anybody
  std::uint64_t generation = 1;       // of the launch
  int rank = 0;                       // at launch
  std::string log_name;               // "train/guardian-1"
  HangLimits hang;
  double orphan_seconds = 60;
};

class Guardian {
 public:
  // Forks; call in the main thread before any other thread or MPI_Init exists, one at a time. From here on SIGTERM asks
  // for a drain, SIGUSR1 writes the main thread's stack to stderr (and, from the guardian, waits for the end there),
  // and SIGCHLD sees to it that the death of the guardian is the rank's.
  static Result<std::unique_ptr<Guardian>> Start(const GuardianOptions& options);
  // Ends the child and gives the three signals back.
  virtual ~Guardian() = default;

  virtual ProgressWords& words() = 0;
  virtual int pid() const = 0;
};

}  // namespace still::worker
