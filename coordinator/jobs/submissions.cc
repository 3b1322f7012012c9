// Submissions: what is refused, and what becomes a pipeline and its jobs.
#include <fmt/format.h>

#include "coordinator/jobs/decisions.h"
#include "coordinator/jobs/transaction.h"
#include "coordinator/scheduler/fit.h"

namespace still::coordinator {
namespace {

using v1::Job;
using v1::JobSpec;
using v1::Pipeline;

constexpr std::uint32_t kMostRanks = 1'000'000;
constexpr std::size_t kLongestName = 200;

std::vector<std::uint32_t> SlotsOfHosts(const State& state) {
  std::vector<std::uint32_t> slots;
  for (const auto& [name, host] : state.hosts()) slots.push_back(host.slots());
  return slots;
}

// Returns whether `name` is one component of a path that stays in its directory.
bool IsPlainName(const std::string& name) {
  return !name.empty() && name.size() <= kLongestName && name.front() != '.' &&
         name.find_first_of(std::string("/\0", 2)) == std::string::npos;
}

// Returns INVALID_ARGUMENT when the job at `position` of a submission, counted from 1, makes no sense.
Status CheckSpec(const State& state, const JobSpec& spec, int position) {
  const auto refuse = [&](const std::string& why) {
    return Error(Code::kInvalidArgument, "job {} of the submission ('{}'): {}", position, spec.name(), why);
  };
  if (spec.name().empty() || spec.name().size() > kLongestName)
    return refuse(fmt::format("a name has 1 to {} bytes", kLongestName));
  if (!v1::Stage_IsValid(spec.stage()) || spec.stage() == v1::STAGE_UNSPECIFIED) return refuse("it names no stage");
  if (spec.artifacts_root().empty() || !IsPlainName(spec.digest()))
    return refuse("it names no artifact: a root, and a digest that is the name of a directory");
  if (spec.ranks() < 1 || spec.ranks() > kMostRanks || spec.slots_per_rank() < 1)
    return refuse(fmt::format("a gang has 1 to {} ranks of at least one slot", kMostRanks));
  if (spec.time_limit_ms() < 0) return refuse("its time limit is negative");
  for (const std::uint64_t dependency : spec.depends_on()) {
    if (dependency < 1 || dependency >= static_cast<std::uint64_t>(position))
      return refuse(
          fmt::format("it depends on job {} of the submission; a job may only depend on earlier ones", dependency));
  }
  return CheckFit(spec, position, SlotsOfHosts(state));
}

// Returns the job of `spec` as it stands in the state: with its id, and with the ids of its dependencies. `first` is
// the id of the submission's first job.
Job NewJob(const JobSpec& spec, std::uint64_t id, std::uint64_t first, const Pipeline& pipeline, bool held) {
  Job job;
  job.set_id(id);
  job.set_pipeline(pipeline.id());
  *job.mutable_spec() = spec;
  job.mutable_spec()->set_owner(pipeline.owner());
  for (auto& dependency : *job.mutable_spec()->mutable_depends_on()) dependency += first - 1;
  job.set_state(held ? v1::JOB_HELD : v1::JOB_PENDING);
  job.set_cause(v1::CAUSE_SUBMITTED);
  job.set_attached(spec.attach());
  return job;
}

}  // namespace

Result<ChangeOutcome> JobDecisions::Submit(const State& state, const v1::Submit& submit, const std::string& user,
                                           UnixMs now) const {
  if (submit.key().empty() || submit.key().size() > kLongestName)
    return Error(Code::kInvalidArgument, "a submission's key has 1 to {} bytes", kLongestName);
  if (const Pipeline* known = state.FindRequest(submit.key())) {
    return ChangeOutcome{.changes = {}, .pipeline = known->id(), .jobs = {known->jobs().begin(), known->jobs().end()}};
  }
  if (submit.name().empty() || submit.name().size() > kLongestName)
    return Error(Code::kInvalidArgument, "a pipeline's name has 1 to {} bytes", kLongestName);
  if (submit.jobs().empty() || static_cast<std::size_t>(submit.jobs_size()) > options_.most_jobs_per_submission)
    return Error(Code::kInvalidArgument, "a submission has 1 to {} jobs, not {}", options_.most_jobs_per_submission,
                 submit.jobs_size());
  for (int i = 0; i < submit.jobs_size(); ++i) STILL_RETURN_IF_ERROR(CheckSpec(state, submit.jobs(i), i + 1));

  Transaction transaction(state, now);
  Pipeline pipeline;
  pipeline.set_id(state.next_pipeline());
  pipeline.set_name(submit.name());
  pipeline.set_owner(user);
  pipeline.set_request(submit.key());
  ChangeOutcome outcome{.changes = {}, .pipeline = pipeline.id(), .jobs = {}};
  const std::uint64_t first = state.next_job();
  for (std::uint64_t id = first; const JobSpec& spec : submit.jobs()) {
    pipeline.add_jobs(id);
    outcome.jobs.push_back(id);
    transaction.Add(NewJob(spec, id++, first, pipeline, submit.held()), user);
  }
  transaction.Add(std::move(pipeline));
  outcome.changes = std::move(transaction).TakeChanges();
  return outcome;
}

}  // namespace still::coordinator
