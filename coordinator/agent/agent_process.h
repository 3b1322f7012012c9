// The process of one attempt's agent: `still agent --task FILE`, started by the coordinator (detached_agents.h).
//
// It makes the artifact, whether the coordinator lives or not, reports to it once a second, and follows its orders. Its
// outcome is on disk before it ends, so nobody has to hear it. SIGTERM: the training step is finished and published
// first; the second one ends the ranks at once.
#pragma once

#include <string>

#include "common/status.h"

namespace still::coordinator {

// Ok once the outcome is on disk, whatever it is.
Status RunAgentProcess(const std::string& task_path);

}  // namespace still::coordinator
