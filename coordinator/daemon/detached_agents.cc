#include "coordinator/daemon/detached_agents.h"

#include <sys/wait.h>

#include "cluster/process.h"
#include "common/config/config.h"
#include "common/storage/file_lock.h"
#include "common/storage/files.h"

namespace still::coordinator {

using v1::AgentReport;
using v1::AgentTask;

Status DetachedAgents::Start(AgentTask task) {
  Reap();
  const AttemptDirectory attempt = directory_.Attempt(task.job(), task.attempt());
  STILL_RETURN_IF_ERROR(MakeDirectories(attempt.path()));
  task.set_directory(attempt.path());
  task.set_log_path(attempt.RanksLog());
  task.set_state_directory(directory_.path());
  STILL_ASSIGN_OR_RETURN(const FileLock lock, FileLock::TryAcquire(attempt.Lock()));
  STILL_ASSIGN_OR_RETURN(const std::string json, ToJson(task));
  STILL_RETURN_IF_ERROR(WriteFileAtomically(attempt.Task(), json));
  STILL_ASSIGN_OR_RETURN(const pid_t pid, cluster::StartProcess({.argv = {program_, "agent", "--task", attempt.Task()}},
                                                                {.log_path = attempt.AgentLog(),
                                                                 .log_mode = 0600,
                                                                 .lifetime = cluster::Lifetime::kDetached,
                                                                 .held_fd = lock.descriptor()}));
  started_.insert(pid);
  return Ok();
}

AgentTrace DetachedAgents::Probe(std::uint64_t job, std::uint64_t attempt) {
  Reap();
  const AttemptDirectory files = directory_.Attempt(job, attempt);
  if (!Exists(files.Task())) return AgentTrace::kNeverStarted;
  if (Exists(files.Outcome())) return AgentTrace::kEnded;
  const Result<FileLock> lock = FileLock::TryAcquire(files.Lock());
  if (!lock.ok()) return AgentTrace::kAlive;
  // The log exists from the start of the process on. Without it, the coordinator died just before the start.
  if (!Exists(files.AgentLog())) return AgentTrace::kNeverStarted;
  // The agent may have written its outcome after the first check.
  return Exists(files.Outcome()) ? AgentTrace::kEnded : AgentTrace::kGone;
}

Result<AgentReport> DetachedAgents::Outcome(std::uint64_t job, std::uint64_t attempt) {
  const std::string path = directory_.Attempt(job, attempt).Outcome();
  STILL_ASSIGN_OR_RETURN(const std::string json, ReadFile(path));
  AgentReport report;
  STILL_RETURN_IF_ERROR(FromJson(json, path, &report));
  return report;
}

std::string DetachedAgents::LogPath(std::uint64_t job, std::uint64_t attempt) const {
  return directory_.Attempt(job, attempt).RanksLog();
}

void DetachedAgents::Reap() {
  std::erase_if(started_, [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) != 0; });
}

}  // namespace still::coordinator
