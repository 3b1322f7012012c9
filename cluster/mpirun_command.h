// What one mpirun is asked to start, and the command line that says so. Pure: nothing here runs or reads anything, but
// FindMpirun.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/status.h"

namespace still::cluster {

struct LaunchSpec {
  std::uint32_t ranks = 1;
  std::uint32_t threads_per_rank = 1;
  std::string program;
  std::vector<std::string> arguments;
  std::map<std::string, std::string> environment;  // added to the launching process's
  std::string log_path;                            // stdout and stderr of all ranks are appended here
  std::string working_directory;                   // empty: the launching process's
  bool as_root = false;                            // Open MPI refuses root unless told
  bool survive_deaths = false;                     // the death of a rank does not end the others (needs MpiHasUlfm)
};

// A process to start: argv[0] is the path of the program; `environment` is added to the launching process's.
struct Command {
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;
};

// Ranks are neither bound to cores nor counted against slots: the user said how many, and how many threads each.
Command MpirunCommand(const std::string& mpirun, const LaunchSpec& spec);

// Whether the MPI that the worker was built with lets survivors go on without a dead rank (ULFM).
bool MpiHasUlfm();

// STILL_MPIRUN, else the mpirun the worker was built against, else the first one in PATH; NOT_FOUND says how to get
// one.
Result<std::string> FindMpirun();

}  // namespace still::cluster
