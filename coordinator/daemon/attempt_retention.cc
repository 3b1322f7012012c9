#include "coordinator/daemon/attempt_retention.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "common/storage/file_lock.h"
#include "common/storage/files.h"
#include "coordinator/jobs/names.h"

namespace still::coordinator {
namespace {

// Returns whether a process of any attempt of the job lives.
Result<bool> InUse(const std::string& job) {
  STILL_ASSIGN_OR_RETURN(const std::vector<std::string> attempts, ListDirectory(job));
  for (const std::string& attempt : attempts) {
    const std::string lock = AttemptDirectory(JoinPath(job, attempt)).Lock();
    if (Exists(lock) && !FileLock::TryAcquire(lock).ok()) return true;
  }
  return false;
}

}  // namespace

Status RemoveOldAttempts(const StateDirectory& directory, const State& state, const AttemptRetention& retention) {
  if (!Exists(directory.Jobs())) return Ok();
  STILL_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(directory.Jobs()));
  std::vector<std::pair<UnixMs, std::uint64_t>> ended;
  for (const std::string& name : names) {
    const std::optional<std::uint64_t> id = JobIdIn(name);
    const v1::Job* const job = id ? state.FindJob(*id) : nullptr;
    if (job != nullptr && IsTerminal(job->state())) ended.emplace_back(job->ended_ms(), *id);
  }
  std::ranges::sort(ended);
  const std::size_t beyond = ended.size() - std::min(ended.size(), retention.ended_jobs_kept);
  std::size_t removed = 0;
  Status failure;
  for (std::size_t i = 0; i < beyond && removed < retention.most_removed; ++i) {
    const std::string job = JoinPath(directory.Jobs(), fmt::format("{}", ended[i].second));
    const Result<bool> in_use = InUse(job);
    if (in_use.ok() && *in_use) continue;
    const Status done = in_use.ok() ? RemoveAll(job) : in_use.status();
    if (done.ok()) {
      ++removed;
    } else {
      failure = done;
    }
  }
  return failure;
}

}  // namespace still::coordinator
