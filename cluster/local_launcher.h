// Launches from this machine: one mpirun, a child of this process, in a process group of its own. Ranks on other hosts
// get our STILL_* variables, but for STILL_HOST.
#pragma once

#include <memory>
#include <string>

#include "cluster/launcher.h"

namespace still::cluster {

class LocalLauncher : public Launcher {
 public:
  explicit LocalLauncher(std::string mpirun) : mpirun_(std::move(mpirun)) {}
  Result<std::unique_ptr<LaunchedJob>> Launch(const LaunchSpec& spec) override;

 private:
  std::string mpirun_;
};

// Starts a program without a shell. It leads a process group of its own, so that a terminal's interrupt reaches only
// the caller, who then decides; it gets SIGTERM when the calling thread dies, however that happens. Fails when the
// program cannot be executed. stdin is /dev/null; stdout and stderr are appended to `log_path`.
Result<std::unique_ptr<LaunchedJob>> StartProcess(const Command& command, const std::string& log_path,
                                                  const std::string& working_directory);

}  // namespace still::cluster
