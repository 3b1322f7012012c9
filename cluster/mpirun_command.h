// What one mpirun is asked to start, and the command line that says so. Pure: nothing here runs or reads anything, but
// FindMpirun.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cluster/placement.h"
#include "cluster/process.h"
#include "common/status.h"

namespace still::cluster {

// How mpirun reaches the other hosts of a placement. It starts ssh once a host, asks nothing, and needs Open MPI and
// the worker under the same paths everywhere.
struct SshOptions {
  std::string identity_file;           // private key; empty: ssh's own choice
  std::vector<std::string> arguments;  // more of ssh's: "-F", "/etc/stillhouse/ssh_config"; no blanks in any of them
  std::string network;                 // "10.0.0.0/24": the interfaces that hosts talk over; empty: mpirun chooses
  std::string prefix;  // of Open MPI on every host; empty: as `mpirun` is found, unless it is a system's
  std::uint32_t connect_seconds = 10;  // for a host to answer
};

// Whose options mpirun takes: they have other names since Open MPI 5, which starts processes by PRRTE.
enum class MpirunKind { kOpenMpi4, kOpenMpi5 };

struct LaunchSpec {
  std::uint32_t ranks = 1;
  std::uint32_t threads_per_rank = 1;
  std::string program;
  std::vector<std::string> arguments;
  std::map<std::string, std::string> environment;  // added to the launching process's
  std::string log_path;                            // stdout and stderr of all ranks are appended here
  std::string working_directory;                   // empty: the launching process's
  std::string scratch;                             // directory for Open MPI's own files; empty: where it likes
  bool as_root = false;                            // Open MPI refuses root unless told
  bool survive_deaths = false;                     // the death of a rank does not end the others (needs MpiHasUlfm)
  Placement hosts;                                 // ranks fill them in this order; empty: all on this machine
  SshOptions ssh;                                  // with `hosts`
};

// The kind the worker was built with.
MpirunKind MpirunKindInUse();

// Ranks are neither bound to cores nor counted against slots: the user said how many, and how many threads each. On
// other hosts they get `spec.environment` and the counts of threads, but nothing else of the launching process's.
Command MpirunCommand(const std::string& mpirun, const LaunchSpec& spec, MpirunKind kind = MpirunKindInUse());

// For a person's shell: "OMP_NUM_THREADS=1 mpirun -n 2 ...", quoted where that is needed.
std::string ShellText(const Command& command);

// Whether the MPI that the worker was built with lets survivors go on without a dead rank (ULFM).
bool MpiHasUlfm();

// STILL_MPIRUN, else the mpirun the worker was built against, else the first one in PATH; NOT_FOUND says how to get
// one.
Result<std::string> FindMpirun();

}  // namespace still::cluster
