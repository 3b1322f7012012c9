// Communicator over Open MPI, and the process-wide MPI environment. The only header through which MPI is reached.
#pragma once

#include <memory>

#include "common/status.h"
#include "worker/collective/communicator.h"

namespace still::worker {

// Initialises MPI (single-threaded use from the calling thread) on construction, finalises on destruction. One a
// process.
class MpiEnvironment {
 public:
  static Result<std::unique_ptr<MpiEnvironment>> Initialise(int* argc, char*** argv);
  virtual ~MpiEnvironment() = default;
  virtual Communicator& world() = 0;
  // Ends every rank of the launch, this one included: how a rank with a failure keeps its peers from waiting for it.
  [[noreturn]] virtual void Abort(int exit_code) = 0;
};

}  // namespace still::worker
