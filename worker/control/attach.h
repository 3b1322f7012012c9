// How an mpirun that a person typed gets its work: `still-worker --coordinator ENDPOINT --job JOB`. Each rank asks the
// coordinator for the task of the launch it belongs to, then becomes an ordinary worker of that task (exec). Before MPI
// and before any thread of ours.
#pragma once

#include <string>

#include "common/status.h"

namespace still::worker {

struct AttachOptions {
  std::string coordinator;  // endpoint
  std::string job;          // number or name
  std::string keys;         // directory of client keys; empty: see FindClientKeys
};

// The path of the task, a file in this process's memory that survives exec. Waits as long as the job cannot be
// taken yet, and says why on stderr when that changes (rank 0). The coordinator's refusal is the error.
Result<std::string> FetchTask(const AttachOptions& options);

}  // namespace still::worker
