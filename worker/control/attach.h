// Gets the work of a manual mpirun: `still-worker --coordinator ENDPOINT --job JOB`. Each rank asks the coordinator
// for the task of its launch, then becomes an ordinary worker of that task (exec). This happens before MPI starts and
// before this process has any other thread.
#pragma once

#include <string>

#include "common/status.h"

namespace still::worker {

struct AttachOptions {
  std::string coordinator;  // endpoint
  std::string job;          // its number or name
  std::string keys;         // directory of client keys; when empty, FindClientKeys looks for one
};

// Returns the path of the task: a file in this process's memory, which survives exec. Blocks while the job cannot be
// taken yet; rank 0 then prints the reason to stderr whenever it changes. A refusal by the coordinator is the error.
Result<std::string> FetchTask(const AttachOptions& options);

}  // namespace still::worker
