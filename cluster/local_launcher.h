// Launches from this machine: one mpirun, a child of this process, in a process group of its own. Ranks on other hosts
// get our variables (common/environment.h), except STILL_HOST.
//
// Open MPI keeps its files of a launch in a scratch directory of the launch's own in /dev/shm, on every host. On this
// host the directory is deleted with the launch. A directory on another host, or one whose maker was killed, is deleted
// by a later launch there.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cluster/launcher.h"
#include "cluster/process.h"
#include "common/storage/scratch_directory.h"

namespace still::cluster {

class LocalLauncher : public Launcher {
 public:
  explicit LocalLauncher(std::string mpirun) : mpirun_(std::move(mpirun)) {}
  Result<std::unique_ptr<LaunchedJob>> Launch(const LaunchSpec& spec) override;

  // Starts one program as a job. `scratch` is kept until the job is destroyed.
  static Result<std::unique_ptr<LaunchedJob>> Start(const Command& command, const ProcessOptions& options,
                                                    std::optional<ScratchDirectory> scratch = std::nullopt);

 private:
  std::string mpirun_;
};

}  // namespace still::cluster
