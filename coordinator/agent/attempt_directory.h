// The files of one attempt, which its agent writes and the coordinator reads:
//
//   <state>/jobs/<id>/<attempt>/  task.json   what the agent is to do; there before it starts
//                                 lock        held while any process of the attempt lives on this machine
//                                 outcome     the last report; there before the agent ends
//                                 agent.log   the log of the agent
//                                 ranks.log   the log of mpirun and the ranks
#pragma once

#include <string>

namespace still::coordinator {

// Return the path of a file in the attempt's directory `attempt`.
std::string AttemptTaskPath(const std::string& attempt);
std::string AttemptLockPath(const std::string& attempt);
std::string AttemptLogPath(const std::string& attempt);
std::string AttemptOutcomePath(const std::string& attempt);

}  // namespace still::coordinator
