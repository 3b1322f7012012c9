#include "coordinator/agent/attempt_directory.h"

#include "common/storage/files.h"

namespace still::coordinator {

std::string AttemptTaskPath(const std::string& attempt) { return JoinPath(attempt, "task.json"); }
std::string AttemptLockPath(const std::string& attempt) { return JoinPath(attempt, "lock"); }
std::string AttemptLogPath(const std::string& attempt) { return JoinPath(attempt, "agent.log"); }
std::string AttemptOutcomePath(const std::string& attempt) { return JoinPath(attempt, "outcome"); }

}  // namespace still::coordinator
