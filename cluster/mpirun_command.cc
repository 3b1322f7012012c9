#include "cluster/mpirun_command.h"

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <sstream>

#include "common/files.h"

namespace still::cluster {
namespace {

// Set by CMake to the mpirun beside the compiler wrapper the worker was built with; empty without a worker.
constexpr const char* kBuiltWith = STILL_BUILT_WITH_MPIRUN;

// ULFM is off unless asked for. Under it the hierarchical collectives (han) return success over buffers that were never
// written, the default agreement is not fault tolerant, and only ob1 reports the dead.
constexpr std::array kSurviveDeaths = {
    "--with-ft", "ulfm",  "--mca", "coll", "^han,hcoll,portals4", "--mca", "coll_ftagree_agreement",
    "1",         "--mca", "pml",   "ob1"};

bool IsExecutable(const std::string& path) { return ::access(path.c_str(), X_OK) == 0; }

}  // namespace

Command MpirunCommand(const std::string& mpirun, const LaunchSpec& spec) {
  Command command;
  command.argv = {mpirun};
  if (spec.as_root) command.argv.push_back("--allow-run-as-root");
  if (spec.survive_deaths) command.argv.insert(command.argv.end(), kSurviveDeaths.begin(), kSurviveDeaths.end());
  for (const char* flag : {"--oversubscribe", "--bind-to", "none", "-n"}) command.argv.push_back(flag);
  command.argv.push_back(std::to_string(spec.ranks));
  command.argv.push_back(spec.program);
  command.argv.insert(command.argv.end(), spec.arguments.begin(), spec.arguments.end());

  // mpirun hands its environment to the ranks it starts on this machine. The thread counts are part of a result's
  // identity, so they win over whatever the user's shell says; spec.environment wins over both.
  const std::string threads = std::to_string(spec.threads_per_rank);
  command.environment = spec.environment;
  command.environment.insert({{"OMP_NUM_THREADS", threads}, {"MKL_NUM_THREADS", threads}});
  return command;
}

bool MpiHasUlfm() { return STILL_MPI_HAS_ULFM != 0; }

Result<std::string> FindMpirun() {
  if (const char* chosen = std::getenv("STILL_MPIRUN"); chosen != nullptr && *chosen != '\0') {
    if (IsExecutable(chosen)) return std::string(chosen);
    return Error(Code::kNotFound, "STILL_MPIRUN names {}, which is not an executable file", chosen);
  }
  if (*kBuiltWith != '\0' && IsExecutable(kBuiltWith)) return std::string(kBuiltWith);
  const char* path = std::getenv("PATH");
  std::istringstream directories(path == nullptr ? "" : path);
  for (std::string directory; std::getline(directories, directory, ':');) {
    const std::string candidate = JoinPath(directory.empty() ? "." : directory, "mpirun");
    if (IsExecutable(candidate)) return candidate;
  }
  return Error(Code::kNotFound,
               "no mpirun: run scripts/setup.sh, or set STILL_MPIRUN to the path of Open MPI's mpirun");
}

}  // namespace still::cluster
