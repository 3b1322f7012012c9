// A process that outlives the one that started it.
#pragma once

#include <sys/types.h>

#include <string>

#include "cluster/mpirun_command.h"
#include "common/status.h"

namespace still::cluster {

// Starts a program without a shell, in a session of its own: what happens to the caller does not reach it. stdin is
// /dev/null; stdout and stderr are appended to `log_path`. It and its children inherit `held_fd` (-1: nothing), so that
// a lock on it is held until all of them and the caller have let go; every other descriptor is closed. Fails when the
// program cannot be executed. The caller reaps it while it lives (waitpid), init afterwards.
Result<pid_t> StartDetached(const Command& command, const std::string& log_path, int held_fd);

}  // namespace still::cluster
