// Where the programs of this build are.
#pragma once

#include <string>

#include "common/status.h"

namespace still::cli {

// The path of this process's program.
Result<std::string> ThisProgram();
// STILL_WORKER, else still-worker beside this program.
Result<std::string> FindWorker();

}  // namespace still::cli
