// Launches from this machine: one mpirun, a child of this process, in a process group of its own. Ranks on other hosts
// get our STILL_* variables, but for STILL_HOST. What Open MPI keeps for a launch stands in a directory of the launch's
// own in /dev/shm, on every host. Here it goes with the launch; what is left on other hosts (empty, but of a launch
// that was killed), or here by a maker that was killed, goes with a later launch there.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cluster/launcher.h"
#include "common/storage/scratch_directory.h"

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
// program cannot be executed. stdin is /dev/null; stdout and stderr are appended to `log_path`. `scratch` is kept until
// the job is destroyed.
Result<std::unique_ptr<LaunchedJob>> StartProcess(const Command& command, const std::string& log_path,
                                                  const std::string& working_directory,
                                                  std::optional<ScratchDirectory> scratch = std::nullopt);

}  // namespace still::cluster
