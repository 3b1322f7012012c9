// The description of one launch, and its mpirun command line. Pure: nothing here runs or reads anything, except
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

// The ssh by which mpirun reaches the other hosts of a placement. It is started once per host and asks for no password.
// Open MPI and the worker must have the same paths on every host.
struct SshOptions {
  std::string identity_file;           // the private key; empty: ssh chooses
  std::vector<std::string> arguments;  // more arguments of ssh, without blanks: "-F", "/etc/stillhouse/ssh_config"
  std::string network;                 // the network of the hosts, for example "10.0.0.0/24"; empty: mpirun chooses
  std::string prefix;                  // where Open MPI is on every host; empty: where mpirun is, unless that is /usr
  std::uint32_t connect_seconds = 10;  // how long ssh waits for a host to answer
};

// The release whose option names mpirun takes. Open MPI 5 starts processes by PRRTE, and its options have other names.
enum class MpirunKind { kOpenMpi4, kOpenMpi5 };

struct LaunchSpec {
  std::uint32_t ranks = 1;
  std::uint32_t threads_per_rank = 1;
  std::string program;
  std::vector<std::string> arguments;
  std::map<std::string, std::string> environment;  // added to the launching process's
  std::string log_path;                            // stdout and stderr of all ranks are appended here
  std::string working_directory;                   // empty: the launching process's
  std::string scratch;                             // directory for Open MPI's own files; empty: Open MPI chooses
  bool as_root = false;                            // Open MPI refuses root without it
  bool survive_deaths = false;                     // ranks survive the death of another (needs MpiHasUlfm)
  Placement hosts;                                 // ranks fill them in this order; empty: all on this machine
  SshOptions ssh;                                  // used with `hosts`
};

// Returns the kind that the worker was built with.
MpirunKind MpirunKindInUse();

// Returns the command that starts the ranks. They are neither bound to cores nor counted against slots, because the
// user chose how many ranks and threads there are. On other hosts they get `spec.environment` and the counts of
// threads, and nothing else of this process's environment.
Command MpirunCommand(const std::string& mpirun, const LaunchSpec& spec, MpirunKind kind = MpirunKindInUse());

// Returns a line for a shell, quoted where that is needed: "OMP_NUM_THREADS=1 mpirun -n 2 ...".
std::string ShellText(const Command& command);

// Returns true when the worker's MPI lets survivors continue without a dead rank (ULFM).
bool MpiHasUlfm();

// Returns STILL_MPIRUN, else the mpirun that the worker was built with, else the first one in PATH. NOT_FOUND says how
// to get one.
Result<std::string> FindMpirun();

}  // namespace still::cluster
