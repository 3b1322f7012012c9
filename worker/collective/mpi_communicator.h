// Communicator over Open MPI, and the process-wide MPI environment. The only header through which MPI is reached.
#pragma once

#include <memory>

#include "common/status.h"
#include "worker/collective/communicator.h"

namespace still::worker {

// Initialises MPI (single-threaded use from the calling thread) on construction, finalises on destruction, unless the
// group lost a rank: MPI_Finalize may then wait for the dead for ever, and is left out. One a process.
class MpiEnvironment {
 public:
  // With `survive_deaths` (needs ULFM, and mpirun --with-ft ulfm) a death is an error that Shrink recovers from;
  // without it, mpirun ends the other ranks.
  static Result<std::unique_ptr<MpiEnvironment>> Initialise(int* argc, char*** argv, bool survive_deaths);
  virtual ~MpiEnvironment() = default;
  virtual Communicator& world() = 0;
};

}  // namespace still::worker
