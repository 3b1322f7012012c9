// Finds the programs of this build.
#pragma once

#include <string>

#include "common/status.h"

namespace still::cli {

// Returns the path of the running program.
Result<std::string> ThisProgram();
// Returns $STILL_WORKER, else still-worker beside the running program. NOT_FOUND says what to build.
Result<std::string> FindWorker();

}  // namespace still::cli
