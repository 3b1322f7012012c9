// The files of one attempt, as its agent writes them and the coordinator reads them:
//
//   <state>/jobs/<id>/<attempt>/  task.json   what it is to do; there before it starts
//                                 lock        held while any of its processes on this machine lives
//                                 outcome     its last report; there before it ends
//                                 agent.log   its own log
//                                 ranks.log   that of mpirun and the ranks
#pragma once

#include <string>

namespace still::coordinator {

// Each takes the path of the attempt's directory.
std::string AttemptTaskPath(const std::string& attempt);
std::string AttemptLockPath(const std::string& attempt);
std::string AttemptLogPath(const std::string& attempt);  // the agent's own
std::string AttemptOutcomePath(const std::string& attempt);

}  // namespace still::coordinator
