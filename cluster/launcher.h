// The seam between who decides that workers run and how they get started: the coordinator sees only this.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cluster/mpirun_command.h"
#include "common/status.h"

namespace still::cluster {

// How a process ended: by a signal when `signal` is not 0, else with `code`.
struct ExitInfo {
  int code = 0;
  int signal = 0;

  std::string ToString() const;  // "exit code 3", "signal 9 (Killed)"
};

// One started mpirun. Destroying it kills what still runs. Owned by one thread.
class LaunchedJob {
 public:
  virtual ~LaunchedJob() = default;
  // How it ended, or nothing while it runs. Never blocks.
  virtual std::optional<ExitInfo> Poll() = 0;
  virtual void Terminate() = 0;  // asks: SIGTERM
  virtual void Kill() = 0;       // does not ask: SIGKILL
};

class Launcher {
 public:
  virtual ~Launcher() = default;
  virtual Result<std::unique_ptr<LaunchedJob>> Launch(const LaunchSpec& spec) = 0;
};

}  // namespace still::cluster
