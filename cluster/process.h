// The one way in which this tree starts a program.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "common/status.h"

namespace still::cluster {

// A program to start. argv[0] is its path. `environment` is added to this process's environment and wins over it.
struct Command {
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;
};

// The fate of the child when its parent ends.
enum class Lifetime {
  // The child leads a process group of its own, so that a terminal's interrupt reaches only the parent. It gets SIGTERM
  // when the thread that started it dies, in whatever way.
  kBound,
  // The child leads a session of its own, with default signal handlers. Nothing that happens to the parent reaches it.
  // It inherits no descriptor but `held_fd`.
  kDetached,
};

struct ProcessOptions {
  // stdout and stderr are appended to this file, stdin is /dev/null. The child itself opens the file, so a file that is
  // there tells that the child was there.
  std::string log_path;
  mode_t log_mode = 0644;         // of a file that is created
  std::string working_directory;  // empty: this process's
  Lifetime lifetime = Lifetime::kBound;
  // The child and its children inherit this descriptor. A lock on it is held until they and the parent have let go.
  int held_fd = -1;
};

// Starts a program without a shell and returns its process number. Fails, leaving no process behind, when the program
// cannot be executed. The caller must reap the child (waitpid). Any thread may call it.
Result<pid_t> StartProcess(const Command& command, const ProcessOptions& options);

}  // namespace still::cluster
