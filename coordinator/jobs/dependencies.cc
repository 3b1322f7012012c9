#include "coordinator/jobs/dependencies.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "common/enum_words.h"
#include "coordinator/jobs/names.h"

namespace still::coordinator {
namespace {

// Returns the jobs that `job` depends on and that have not succeeded, as the transaction has changed them. Jobs that
// the state no longer knows do not count.
std::vector<const v1::Job*> OpenDependencies(const State& state, const Transaction& transaction, const v1::Job& job) {
  std::vector<const v1::Job*> open;
  for (const std::uint64_t id : job.spec().depends_on()) {
    if (state.FindJob(id) == nullptr) continue;
    const v1::Job& dependency = transaction.job(id);
    if (dependency.state() != v1::JOB_SUCCEEDED) open.push_back(&dependency);
  }
  return open;
}

}  // namespace

void EndWithoutAttempt(Transaction& transaction, const State& state, std::uint64_t id, const ArtifactProber& probe) {
  const v1::Job& job = transaction.job(id);
  const std::vector<const v1::Job*> open = OpenDependencies(state, transaction, job);
  const auto failed =
      std::ranges::find_if(open, [](const v1::Job* dependency) { return IsTerminal(dependency->state()); });
  if (failed != open.end()) {
    transaction.Move(id, job.state(), v1::JOB_CANCELLED, v1::CAUSE_DEPENDENCY_FAILED, "scheduler",
                     fmt::format("needs what {} makes, which is {}", JobText(**failed), EnumWord((*failed)->state())));
  } else if (open.empty() && probe(job.spec()).made()) {
    transaction.Move(id, job.state(), v1::JOB_SUCCEEDED, v1::CAUSE_REUSED, "scheduler", "its artifact exists");
  }
}

}  // namespace still::coordinator
