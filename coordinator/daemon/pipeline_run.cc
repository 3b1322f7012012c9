#include "coordinator/daemon/pipeline_run.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <thread>

#include "common/config/config.h"
#include "common/death_text.h"
#include "common/rpc/protocol.h"
#include "common/storage/file_lock.h"
#include "common/storage/files.h"
#include "common/storage/staging.h"
#include "common/vocabulary.h"
#include "coordinator/agent/job_run.h"
#include "coordinator/client/client.h"
#include "coordinator/daemon/coordinator.h"
#include "coordinator/daemon/thread_agents.h"
#include "coordinator/jobs/names.h"
#include "coordinator/plan/expand.h"

namespace still::coordinator {
namespace {

using std::chrono::milliseconds;
using stillhouse::v1::ClientReply;
using stillhouse::v1::ClientRequest;
using stillhouse::v1::Job;
using stillhouse::v1::Submit;

constexpr milliseconds kRound{20};
constexpr milliseconds kStoragePatience{2000};  // without an agent at work, for a full disk to get space

// What agents say is of every job; how it goes on depends on who runs them.
constexpr std::string_view kAgain = "; run the same command again to continue";

bool GoesOn(Code code) { return code == Code::kCancelled || code == Code::kUnavailable || code == Code::kAborted; }

// One submission and the coordinator that carries it out. Job i of the submission makes the artifact of plan[i].
class Session {
 public:
  Session(const Plan& plan, RunObserver& observer, Coordinator& coordinator, ThreadAgents& agents, Clock& clock)
      : plan_(plan), observer_(observer), coordinator_(coordinator), agents_(agents), clock_(clock) {}

  Status Begin(const Submit& submit) {
    STILL_RETURN_IF_ERROR(EndEarlierRuns());
    ClientRequest request;
    *request.mutable_submit() = submit;
    STILL_ASSIGN_OR_RETURN(const ClientReply reply, Ask(std::move(request)));
    first_job_ = reply.jobs(0);
    stages_.resize(static_cast<std::size_t>(reply.jobs_size()));
    pipeline_ = reply.pipeline();
    return Ok();
  }

  Result<std::vector<StageOutcome>> UntilDone(const std::atomic<int>& stops) {
    while (true) {
      STILL_RETURN_IF_ERROR(PassOnStops(stops));
      for (const auto& report : agents_.Drain()) agents_.Follow(report.job(), coordinator_.Hear(report));
      coordinator_.Settle();
      STILL_RETURN_IF_ERROR(ShowChanges());
      if (std::ranges::all_of(stages_, [](const StageView& stage) { return stage.ended; })) break;
      STILL_RETURN_IF_ERROR(CheckStorage());
      clock_.SleepFor(kRound);
    }
    std::vector<StageOutcome> outcomes;
    for (const StageView& stage : stages_) outcomes.push_back(stage.outcome);
    return outcomes;
  }

 private:
  struct StageView {
    std::optional<Clock::TimePoint> started;
    bool ended = false;
    StageOutcome outcome;
  };

  Result<ClientReply> Ask(ClientRequest request) {
    request.set_protocol(kProtocol);
    request.set_user(UserName());
    ClientReply reply = coordinator_.Ask(request);
    if (reply.code() != 0) return Status(CodeFromWire(reply.code()), reply.message());
    return reply;
  }

  // A run that was killed left jobs behind; what is left to do of them is in this submission.
  Status EndEarlierRuns() {
    ClientRequest request;
    request.mutable_change()->set_verb(stillhouse::v1::ChangeJobs::CANCEL);
    for (const std::uint64_t job : coordinator_.state().live()) request.mutable_change()->add_jobs(job);
    if (request.change().jobs().empty()) return Ok();
    return Ask(std::move(request)).status();
  }

  // The first request cancels in order, the second one at once.
  Status PassOnStops(int stops) {
    for (; passed_on_ < std::min(stops, 2); ++passed_on_) {
      ClientRequest request;
      request.mutable_change()->set_verb(stillhouse::v1::ChangeJobs::CANCEL);
      request.mutable_change()->set_pipeline(pipeline_);
      STILL_RETURN_IF_ERROR(Ask(std::move(request)).status());
    }
    return Ok();
  }

  Status ShowChanges() {
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      StageView& view = stages_[i];
      if (view.ended) continue;
      const Job& job = *coordinator_.state().FindJob(first_job_ + i);
      if (job.attempt() > 0 && !view.started) {
        view.started = clock_.Now();
        observer_.OnStageStarted(plan_[i]);
      }
      if (!IsTerminal(job.state())) return Ok();  // the ones after it wait for it
      view.ended = true;
      const double seconds = view.started ? SecondsSince(clock_, *view.started) : 0;
      view.outcome = {
          .stage = plan_[i].stage, .reused = job.cause() == stillhouse::v1::CAUSE_REUSED, .seconds = seconds};
      const Status outcome = OutcomeOf(job, plan_[i]);
      if (view.started) observer_.OnStageFinished(plan_[i], seconds, outcome);
      STILL_RETURN_IF_ERROR(outcome);
    }
    return Ok();
  }

  // What the agent said, in its own words where it did.
  Status OutcomeOf(const Job& job, const StagePlan& stage) const {
    if (job.state() == stillhouse::v1::JOB_SUCCEEDED) return Ok();
    if (job.state() == stillhouse::v1::JOB_TIMEOUT)
      return Error(Code::kCancelled, "{}: {}{}", StageName(stage.stage), job.message(), kAgain);
    if (const std::optional<Status> ended = agents_.Ended(job.id()); ended && !ended->ok())
      return GoesOn(ended->code()) ? Status(ended->code(), WithMore(ended->message(), kAgain)) : *ended;
    if (job.state() == stillhouse::v1::JOB_CANCELLED)
      return Error(Code::kCancelled, "interrupted before {}{}", StageName(stage.stage), kAgain);
    return Error(Code::kInternal, "{} is {}: {}", JobText(job), StateName(job.state()), job.message());
  }

  // Nothing is at work, and nothing can be started because nothing can be remembered.
  Status CheckStorage() {
    const std::string& trouble = coordinator_.live().storage_trouble();
    if (trouble.empty() || agents_.Running()) {
      stuck_.reset();
      return Ok();
    }
    if (!stuck_) stuck_ = clock_.Now();
    if (clock_.Now() - *stuck_ < kStoragePatience) return Ok();
    return Error(Code::kResourceExhausted, "{}; the work so far is kept{}", trouble, kAgain);
  }

  const Plan& plan_;
  RunObserver& observer_;
  Coordinator& coordinator_;
  ThreadAgents& agents_;
  Clock& clock_;
  std::uint64_t pipeline_ = 0;
  std::uint64_t first_job_ = 0;
  std::vector<StageView> stages_;
  int passed_on_ = 0;
  std::optional<Clock::TimePoint> stuck_;
};

}  // namespace

PipelineRun::PipelineRun(const stillhouse::v1::PipelineConfig& config, std::string worker_program,
                         cluster::Launcher& launcher, Clock& clock, RunObserver& observer)
    : config_(config),
      worker_program_(std::move(worker_program)),
      launcher_(launcher),
      clock_(clock),
      observer_(observer),
      run_directory_(JoinPath(JoinPath(config.artifacts(), "runs"), config.name())) {}

Result<std::vector<StageOutcome>> PipelineRun::Run(const Plan& plan, const std::atomic<int>& stops, Stage last) {
  STILL_RETURN_IF_ERROR(MakeDirectories(run_directory_));
  Result<FileLock> lock = FileLock::TryAcquire(JoinPath(run_directory_, "lock"));
  if (lock.status().code() == Code::kUnavailable)
    return Error(Code::kUnavailable, "another run of {} is active on {}; wait for it, or give this one another name",
                 config_.name(), config_.artifacts());
  STILL_RETURN_IF_ERROR(lock.status());
  STILL_RETURN_IF_ERROR(RemoveStaleTemporaries(run_directory_));
  STILL_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(run_directory_, "effective.yaml"), ToYaml(config_)));
  STILL_ASSIGN_OR_RETURN(const Submit submit, SubmissionOf(plan, last));

  STILL_ASSIGN_OR_RETURN(const std::unique_ptr<Journal> journal, Journal::Open(JoinPath(run_directory_, "journal")));
  STILL_ASSIGN_OR_RETURN(const State before, journal->Load());
  const std::uint64_t first_job = before.next_job();
  const auto stage_of = [&](std::uint64_t job) -> const StagePlan& { return plan[job - first_job]; };
  ThreadAgents agents(
      {.directory = run_directory_,
       .first_job = first_job,
       .log_path =
           [&](std::uint64_t job) {
             return JoinPath(run_directory_, fmt::format("{}.log", StageName(stage_of(job).stage)));
           },
       .callbacks =
           [&](std::uint64_t job) {
             const StagePlan& stage = stage_of(job);
             return AgentCallbacks{
                 .on_progress = [&](const v1::Progress& progress) { observer_.OnProgress(stage, progress); },
                 .on_generation =
                     [&](const GenerationStart& start) {
                       if (start.recovery) observer_.OnRecovery(stage, RecoveryText(*start.recovery));
                     },
                 .on_storage_trouble = [&](const std::string& text) { observer_.OnStorageTrouble(stage, text); }};
           }},
      launcher_, clock_);
  Coordinator coordinator({.worker = worker_program_, .is_made = FindArtifact}, *journal, agents, clock_);
  stillhouse::v1::Host here;
  here.set_name("localhost");
  // Nobody else shares it: as much as the largest job asks for, whatever the machine has.
  for (const auto& job : submit.jobs()) here.set_slots(std::max(here.slots(), job.ranks() * job.slots_per_rank()));
  STILL_RETURN_IF_ERROR(coordinator.Open({here}));
  Session session(plan, observer_, coordinator, agents, clock_);
  STILL_RETURN_IF_ERROR(session.Begin(submit));
  return session.UntilDone(stops);
}

Result<Submit> PipelineRun::SubmissionOf(const Plan& plan, Stage last) const {
  const std::vector<PlannedVariant> variants = {{.name = "", .config = config_, .plan = plan}};
  STILL_ASSIGN_OR_RETURN(Expansion expansion, ExpandPipelines(config_.name(), variants,
                                                              {.key = DrawKey(), .owner = UserName(), .retries = 0}));
  Submit submit = std::move(expansion.submit);
  STILL_CHECK(submit.jobs_size() == static_cast<int>(kStages), "a plan without variants is a job a stage");
  while (submit.jobs_size() > static_cast<int>(last) + 1) submit.mutable_jobs()->RemoveLast();
  for (int i = 0; i < submit.jobs_size(); ++i) {
    stillhouse::v1::JobSpec& job = *submit.mutable_jobs(i);
    job.clear_depends_on();  // one after the other, so that each has the machine for itself
    if (i > 0) job.add_depends_on(static_cast<std::uint64_t>(i));
    // Evaluation times inference as a user of the whole machine would see it.
    if (job.stage() == stillhouse::v1::STAGE_EVALUATE)
      job.set_slots_per_rank(std::max(1U, std::thread::hardware_concurrency()));
  }
  return submit;
}

}  // namespace still::coordinator
