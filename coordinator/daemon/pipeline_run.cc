#include "coordinator/daemon/pipeline_run.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <thread>

#include "common/config/config.h"
#include "common/death_text.h"
#include "common/enum_words.h"
#include "common/rpc/protocol.h"
#include "common/storage/file_lock.h"
#include "common/storage/files.h"
#include "common/storage/staging.h"
#include "coordinator/agent/job_run.h"
#include "coordinator/client/client.h"
#include "coordinator/daemon/coordinator.h"
#include "coordinator/daemon/thread_agents.h"
#include "coordinator/jobs/names.h"
#include "coordinator/plan/expand.h"

namespace still::coordinator {
namespace {

using google::protobuf::util::MessageDifferencer;
using std::chrono::milliseconds;
using v1::ClientReply;
using v1::ClientRequest;
using v1::Job;
using v1::Submit;

constexpr milliseconds kRound{20};
constexpr milliseconds kStoragePatience{2000};  // how long a full disk may stop a run without a working agent

// The agents' messages do not say how to continue, because that depends on who runs them.
constexpr std::string_view kHowToContinue = "; run the same command again to continue";

// Returns whether a later run continues after this error.
bool CanContinue(Code code) { return code == Code::kCancelled || code == Code::kUnavailable || code == Code::kAborted; }

// Session is one submission and the coordinator that carries it out. Job i of the submission makes the artifact of
// plan[i].
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
      for (const v1::AgentReport& report : agents_.Reports()) {
        Show(report);
        agents_.Follow(report.job(), coordinator_.OnReport(report));
      }
      coordinator_.Tick();
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
    // The observer was last told these.
    v1::Progress progress;
    std::uint64_t recovery = 0;  // its generation
    std::string storage_trouble;
  };

  Result<ClientReply> Ask(ClientRequest request) {
    request.set_protocol(kProtocol);
    request.set_user(UserName());
    ClientReply reply = coordinator_.Ask(request);
    if (reply.code() != 0) return Status(CodeFromWire(reply.code()), reply.message());
    return reply;
  }

  // Cancels the jobs that a killed run left behind. This submission has their remaining work.
  Status EndEarlierRuns() {
    ClientRequest request;
    request.mutable_change()->set_verb(v1::JOB_VERB_CANCEL);
    for (const std::uint64_t job : coordinator_.state().live()) request.mutable_change()->add_jobs(job);
    if (request.change().jobs().empty()) return Ok();
    return Ask(std::move(request)).status();
  }

  // Passes requests to stop on as cancellations: the first one is orderly, the second one immediate.
  Status PassOnStops(int stops) {
    for (; passed_on_ < std::min(stops, 2); ++passed_on_) {
      ClientRequest request;
      request.mutable_change()->set_verb(v1::JOB_VERB_CANCEL);
      request.mutable_change()->set_pipeline(pipeline_);
      STILL_RETURN_IF_ERROR(Ask(std::move(request)).status());
    }
    return Ok();
  }

  // Tells the observer what is new in a report. Reports repeat what they said before.
  void Show(const v1::AgentReport& report) {
    const std::size_t index = report.job() - first_job_;
    const StagePlan& stage = plan_[index];
    StageView& shown = stages_[index];
    for (const v1::Recovery& recovery : UnreportedRecoveries(report, shown.recovery)) {
      shown.recovery = recovery.generation();
      observer_.OnRecovery(stage, RecoveryText(recovery));
    }
    if (!MessageDifferencer::Equals(report.progress(), shown.progress)) {
      shown.progress = report.progress();
      observer_.OnProgress(stage, shown.progress);
    }
    if (report.storage_trouble() != shown.storage_trouble) {
      shown.storage_trouble = report.storage_trouble();
      observer_.OnStorageTrouble(stage, shown.storage_trouble);
    }
  }

  // Tells the observer which stages started and ended. Returns the error of the first stage that failed.
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
      view.outcome = {.stage = plan_[i].stage, .reused = job.cause() == v1::CAUSE_REUSED, .seconds = seconds};
      const Status outcome = OutcomeOf(job, plan_[i]);
      if (view.started) observer_.OnStageFinished(plan_[i], seconds, outcome);
      STILL_RETURN_IF_ERROR(outcome);
    }
    return Ok();
  }

  // Returns how the job ended, in the agent's words where it reported any.
  Status OutcomeOf(const Job& job, const StagePlan& stage) const {
    if (job.state() == v1::JOB_SUCCEEDED) return Ok();
    if (job.state() == v1::JOB_TIMEOUT)
      return Error(Code::kCancelled, "{}: {}{}", EnumWord(stage.stage), job.message(), kHowToContinue);
    if (const std::optional<Status> ended = agents_.Ended(job.id()); ended && !ended->ok())
      return CanContinue(ended->code()) ? Status(ended->code(), WithMore(ended->message(), kHowToContinue)) : *ended;
    if (job.state() == v1::JOB_CANCELLED)
      return Error(Code::kCancelled, "interrupted before {}{}", EnumWord(stage.stage), kHowToContinue);
    return Error(Code::kInternal, "{} ended as {}: {}", JobText(job), EnumWord(job.state()), job.message());
  }

  // Ends the run when the journal takes no writes for too long while no agent works.
  Status CheckStorage() {
    const std::string& trouble = coordinator_.live().storage_trouble();
    if (trouble.empty() || agents_.Running()) {
      stuck_.reset();
      return Ok();
    }
    if (!stuck_) stuck_ = clock_.Now();
    if (clock_.Now() - *stuck_ < kStoragePatience) return Ok();
    return Error(Code::kResourceExhausted, "{}; the work so far is kept{}", trouble, kHowToContinue);
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

PipelineRun::PipelineRun(const v1::PipelineConfig& config, std::string worker_program, cluster::Launcher& launcher,
                         Clock& clock, RunObserver& observer)
    : config_(config),
      worker_program_(std::move(worker_program)),
      launcher_(launcher),
      clock_(clock),
      observer_(observer),
      run_directory_(JoinPath(JoinPath(config.artifacts(), "runs"), config.name())) {}

Result<std::vector<StageOutcome>> PipelineRun::Run(const Plan& plan, const std::atomic<int>& stops, v1::Stage last) {
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
  ThreadAgents agents({.directory = run_directory_,
                       .first_job = first_job,
                       .log_path =
                           [&](std::uint64_t job) {
                             return JoinPath(run_directory_,
                                             fmt::format("{}.log", EnumWord(plan[job - first_job].stage)));
                           }},
                      launcher_, clock_);
  Coordinator coordinator({.worker = worker_program_, .is_made = FindArtifact}, *journal, agents, clock_);
  v1::Host here;
  here.set_name("localhost");
  // No other run shares this coordinator, so the host has as many slots as the largest job asks for.
  for (const auto& job : submit.jobs()) here.set_slots(std::max(here.slots(), job.ranks() * job.slots_per_rank()));
  STILL_RETURN_IF_ERROR(coordinator.Open({here}));
  Session session(plan, observer_, coordinator, agents, clock_);
  STILL_RETURN_IF_ERROR(session.Begin(submit));
  return session.UntilDone(stops);
}

Result<Submit> PipelineRun::SubmissionOf(const Plan& plan, v1::Stage last) const {
  const std::vector<PlannedVariant> variants = {{.name = "", .config = config_, .plan = plan}};
  STILL_ASSIGN_OR_RETURN(Expansion expansion, ExpandPipelines(config_.name(), variants,
                                                              {.key = DrawKey(), .owner = UserName(), .retries = 0}));
  Submit submit = std::move(expansion.submit);
  STILL_CHECK(submit.jobs_size() == static_cast<int>(kStages), "a plan without variants has one job per stage");
  while (submit.jobs_size() > last - v1::STAGE_CORPUS + 1) submit.mutable_jobs()->RemoveLast();
  for (int i = 0; i < submit.jobs_size(); ++i) {
    v1::JobSpec& job = *submit.mutable_jobs(i);
    job.clear_depends_on();  // jobs run one after the other, so that each has the whole machine
    if (i > 0) job.add_depends_on(static_cast<std::uint64_t>(i));
    // Evaluation times inference as a user of the whole machine would see it.
    if (job.stage() == v1::STAGE_EVALUATE) job.set_slots_per_rank(std::max(1U, std::thread::hardware_concurrency()));
  }
  return submit;
}

}  // namespace still::coordinator
