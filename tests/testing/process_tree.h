// Reads from /proc which process started which, so that a test finds the process that it wants to kill.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace still::testing {

struct RunningProcess {
  pid_t pid = -1;
  pid_t parent = -1;
  std::string name;  // as the kernel knows it: "still-worker", "still-guardian", "prterun"
};

// `root`'s descendants that run, parents before children.
std::vector<RunningProcess> Descendants(pid_t root);

// The pids of those of them with this name, in the order they were started.
std::vector<pid_t> DescendantsNamed(pid_t root, const std::string& name);

}  // namespace still::testing
