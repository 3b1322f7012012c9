// The process of one attempt's agent: `still agent --task FILE`, started by the coordinator (detached_agents.h).
//
// It makes the artifact whether the coordinator lives or not, reports once per second, and follows orders. The outcome
// is on disk before the process ends, so the coordinator may read it later. After a first SIGTERM the training step is
// finished and published. A second one ends the ranks at once.
#pragma once

#include <string>

#include "common/status.h"

namespace still::coordinator {

// Runs the attempt that the file at `task_path` describes. Returns Ok once the outcome is on disk, whatever it is. An
// error means that the attempt has not begun.
Status RunAgentProcess(const std::string& task_path);

}  // namespace still::coordinator
