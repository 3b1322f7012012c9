// The interface through which the coordinator starts workers. It knows nothing else of how they are started.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cluster/mpirun_command.h"
#include "common/status.h"

namespace still::cluster {

// The outcome of a process: it was killed by `signal` unless that is 0, else it exited with `code`.
struct ExitInfo {
  int code = 0;
  int signal = 0;

  std::string ToString() const;  // "exit code 3", "signal 9 (Killed)"
};

// One started mpirun. Destroying it kills the processes that still run, and waits for them. Owned by one thread.
// coordinator/launch/launch_server.h decides when a launch is terminated and when it is killed.
class LaunchedJob {
 public:
  virtual ~LaunchedJob() = default;
  // Returns its outcome, or nothing while it runs. Never blocks.
  virtual std::optional<ExitInfo> Poll() = 0;
  virtual void Terminate() = 0;  // SIGTERM to all its processes
  virtual void Kill() = 0;       // SIGKILL to all its processes
};

// Starts mpiruns. Owned by one thread.
class Launcher {
 public:
  virtual ~Launcher() = default;
  virtual Result<std::unique_ptr<LaunchedJob>> Launch(const LaunchSpec& spec) = 0;
};

}  // namespace still::cluster
