#include "coordinator/daemon/coordinator.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "common/enum_words.h"
#include "common/log.h"
#include "common/rpc/protocol.h"
#include "coordinator/daemon/attach_command_line.h"
#include "coordinator/jobs/names.h"
#include "coordinator/views/metrics_text.h"
#include "coordinator/views/views.h"

namespace still::coordinator {
namespace {

using v1::AgentOrders;
using v1::AgentReport;
using v1::ClientReply;
using v1::ClientRequest;
using v1::CoordinatorMessage;
using v1::Job;

// Each pass may make the next job of a chain ready. The bound ends passes that would undo each other for ever.
constexpr int kMostAdvances = 64;

Status CheckProtocol(std::uint32_t protocol) {
  if (protocol == kProtocol) return Ok();
  return Error(Code::kInvalidArgument,
               "the coordinator speaks version {} of the protocol, the sender version {}: use the `still` and "
               "`still-worker` of the same release",
               kProtocol, protocol);
}

// Returns the number of the live job that `text` names, by number, name or end of its name.
Result<std::uint64_t> JobNamed(const State& state, const std::string& text) {
  if (const auto id = JobIdIn(text)) return *id;
  std::vector<std::string> names;
  for (const std::uint64_t id : state.live()) names.push_back(state.FindJob(id)->spec().name());
  const std::vector<std::string> meant = NamesMeant(text, names);
  std::vector<std::string> jobs;
  std::uint64_t found = 0;
  for (const std::uint64_t id : state.live()) {
    if (std::ranges::find(meant, state.FindJob(id)->spec().name()) == meant.end()) continue;
    jobs.push_back(JobText(*state.FindJob(id)));
    found = id;
  }
  if (jobs.size() > 1)
    return Error(Code::kInvalidArgument, "'{}' names more than one job: {}; give the number of one", text,
                 fmt::join(jobs, ", "));
  if (jobs.empty()) return NoSuchJob(fmt::format("'{}'", text));
  return found;
}

}  // namespace

Coordinator::Coordinator(CoordinatorOptions options, Journal& journal, Agents& agents, Clock& clock)
    : options_(std::move(options)),
      decisions_(options_.decisions),
      journal_(journal),
      agents_(agents),
      clock_(clock),
      started_ms_(clock.WallMs()),
      started_(clock.Now()),
      recorded_(journal, clock, std::chrono::milliseconds(options_.disk_probe_interval_ms)),
      state_(recorded_.state()) {
  if (options_.probe_in_threads) {
    lookups_.emplace([is_made = options_.is_made](const auto& spec) { return is_made(spec).made(); }, clock_);
  }
}

UnixMs Coordinator::Now() const {
  return started_ms_ + std::chrono::duration_cast<std::chrono::milliseconds>(clock_.Now() - started_).count();
}

Status Coordinator::Open(const std::vector<v1::Host>& hosts) {
  STILL_ASSIGN_OR_RETURN(identity_, journal_.Identity(options_.fresh_identity));
  STILL_RETURN_IF_ERROR(recorded_.Load());
  inventory_ = hosts;
  Adopt();
  std::vector<std::uint64_t> running;
  for (const std::uint64_t id : state_.live())
    if (HoldsSlots(state_.FindJob(id)->state())) running.push_back(id);
  live_.Restarted(running, Now());
  if (const Status written = Write(); !written.ok()) return written.code() == Code::kResourceExhausted ? Ok() : written;
  for (const std::uint64_t id : running) Recover(*state_.FindJob(id));
  return Ok();
}

void Coordinator::Adopt() {
  Apply(decisions_.SetHosts(state_, inventory_, Now()));
  if (!state_.live().empty()) Apply(decisions_.OnCoordinatorStart(state_, Now()));
}

void Coordinator::OnMessage(const std::string& peer, std::string_view payload) {
  CoordinatorMessage message;
  if (!message.ParseFromArray(payload.data(), static_cast<int>(payload.size())) ||
      message.body_case() == CoordinatorMessage::BODY_NOT_SET) {
    if (++dropped_ == 1)
      LogWarn("dropped a message of {} bytes that is neither a request nor a report; further ones are dropped silently",
              payload.size());
    return;
  }
  if (message.has_agent()) {
    answers_.push_back({peer, OnReport(message.agent()).SerializeAsString()});
  } else {
    OnClientRequest(peer, message.client());
  }
}

// A client that gets no answer in time sends its request again. A change is made once, however often it arrives.
void Coordinator::OnClientRequest(const std::string& peer, const ClientRequest& request) {
  if (const std::string* const before = repeats_.Find(peer, request.request())) {
    answers_.push_back({peer, *before});
    return;
  }
  const ClientReply reply = Answer(request);
  std::string answer = reply.SerializeAsString();
  const bool changed = reply.code() == 0 && !request.has_query() && !request.has_attach();
  if (changed) repeats_.Record(peer, request.request(), answer);
  answers_.push_back({peer, std::move(answer)});
}

AgentOrders Coordinator::OnReport(const AgentReport& report) {
  AgentOrders nothing;
  nothing.set_sequence(report.sequence());
  nothing.set_not_recorded(true);
  if (!CheckProtocol(report.protocol()).ok()) return nothing;
  // The agent's job belongs to another journal, so its number means nothing here. The agent gets no orders.
  if (!report.journal().empty() && report.journal() != identity_) return nothing;
  const Job* const job = state_.FindJob(report.job());
  const bool current = job != nullptr && job->attempt() == report.attempt() && HoldsSlots(job->state());
  if (current) live_.OnReport(report, Now());
  if (current && report.has_task()) attach_tasks_[job->id()] = report.task();
  if (Degraded()) {
    // The report cannot be recorded now. Without an acknowledgement the agent sends it again.
    if (current) nothing = JobDecisions::OrdersFor(job, report);
    nothing.set_not_recorded(true);
    return nothing;
  }
  Apply(decisions_.OnReport(state_, report, Now()));
  return JobDecisions::OrdersFor(state_.FindJob(report.job()), report);
}

ClientReply Coordinator::Ask(const ClientRequest& request) {
  ClientReply reply = Answer(request);
  if (Write().ok()) return reply;
  return Answer(request);  // now refused, with the reason
}

ClientReply Coordinator::Answer(const ClientRequest& request) {
  const auto decide = [&]() -> Result<ClientReply> {
    STILL_RETURN_IF_ERROR(CheckProtocol(request.protocol()));
    if (request.has_query()) return View(request.query());
    if (Degraded())
      return Error(Code::kResourceExhausted, "nothing can be changed now: {}", recorded_.trouble().message());
    switch (request.body_case()) {
      case ClientRequest::kSubmit: return CarryOut(decisions_.Submit(state_, request.submit(), request.user(), Now()));
      case ClientRequest::kChange:
        return CarryOut(decisions_.ChangeJobs(state_, request.change(), request.user(), Now()));
      case ClientRequest::kChangeHost: return ChangeHost(request.change_host(), request.user());
      case ClientRequest::kAttach: return Attach(request.attach());
      default:
        return Error(Code::kInvalidArgument,
                     "the request asks for nothing that this coordinator knows; use the `still` of its release");
    }
  };
  Result<ClientReply> decided = decide();
  ClientReply reply;
  if (decided.ok()) {
    reply = std::move(decided).value();
  } else {
    reply.set_code(CodeOnWire(decided.status().code()));
    reply.set_message(decided.status().message());
  }
  reply.set_request(request.request());
  return reply;
}

Result<ClientReply> Coordinator::CarryOut(Result<ChangeOutcome> outcome) {
  STILL_RETURN_IF_ERROR(outcome.status());
  Apply(std::move(outcome->changes));
  ClientReply reply;
  reply.set_pipeline(outcome->pipeline);
  reply.mutable_jobs()->Add(outcome->jobs.begin(), outcome->jobs.end());
  return reply;
}

Result<ClientReply> Coordinator::ChangeHost(const v1::ChangeHost& change, const std::string& user) {
  STILL_ASSIGN_OR_RETURN(Changes changes, decisions_.ChangeHost(state_, change, user, Now()));
  Apply(std::move(changes));
  return ClientReply();
}

Result<ClientReply> Coordinator::Attach(const v1::Attach& attach) {
  STILL_ASSIGN_OR_RETURN(const std::uint64_t id, JobNamed(state_, attach.job()));
  STILL_ASSIGN_OR_RETURN(Changes changes, decisions_.AttachLaunch(state_, id, attach.launch(), attach.ranks(), Now()));
  if (!changes.empty()) attach_tasks_.erase(id);
  Apply(std::move(changes));
  ClientReply reply;
  if (const auto task = attach_tasks_.find(id); task != attach_tasks_.end()) *reply.mutable_task() = task->second;
  return reply;
}

Result<ClientReply> Coordinator::View(const v1::Query& query) {
  ClientReply reply;
  const ViewSources sources = {.read_history = [&](std::uint64_t after, std::uint64_t job,
                                                   std::uint32_t limit) { return journal_.Events(after, job, limit); },
                               .attach_command_of =
                                   [&](const Job& job) {
                                     return AttachCommand(job, {.mpirun = options_.mpirun,
                                                                .worker = options_.worker,
                                                                .coordinator = options_.endpoint,
                                                                .keys = options_.keys});
                                   }};
  STILL_ASSIGN_OR_RETURN(*reply.mutable_view(), BuildView(query, state_, live_, Waits(), sources, Now()));
  return reply;
}

std::string Coordinator::Metrics() {
  return MetricsText(state_, live_, Waits(),
                     {.journal_sequence = state_.next_sequence() - 1, .started_ms = started_ms_}, Now());
}

void Coordinator::Apply(Changes changes) {
  if (changes.empty()) return;
  for (Job& job : changes.jobs) {
    if (job.state() == v1::JOB_STARTING) job.set_log_path(agents_.LogPath(job.id(), job.attempt()));
    if (!HoldsSlots(job.state())) attach_tasks_.erase(job.id());
    if (lookups_) lookups_->Forget(job.spec());
    if (IsTerminal(job.state())) {
      live_.Ended(job.id());
      started_agents_.erase(job.id());
    }
  }
  recorded_.Apply(std::move(changes));
  changed_ = true;
  waits_.reset();
}

std::vector<OutgoingMessage> Coordinator::Answers() {
  if (!Write().ok()) return {};  // the clients and agents send their messages again
  return std::exchange(answers_, {});
}

std::vector<OutgoingMessage> Coordinator::Tick() {
  waits_.reset();  // waits depend on the time as well
  if (!Degraded()) {
    ProbeSilentAgents();
    Advance();
    std::vector<OutgoingMessage> answers = Answers();
    if (recorded_.trouble().ok()) StartAgents();
    return answers;
  }
  return Answers();
}

ArtifactProbe Coordinator::ProbeArtifact(const v1::JobSpec& spec) {
  return lookups_ ? lookups_->Probe(spec) : options_.is_made(spec);
}

void Coordinator::Advance() {
  changed_ |= lookups_ && lookups_->CollectAnswers();
  const Clock::TimePoint now = clock_.Now();
  const bool due = !advanced_ || now - *advanced_ >= std::chrono::milliseconds(options_.pass_interval_ms);
  if (!changed_ && !due) return;
  advanced_ = now;
  for (int i = 0; i < kMostAdvances; ++i) {
    Changes changes = decisions_.Advance(
        state_, [this](const auto& spec) { return ProbeArtifact(spec); }, Now());
    if (changes.empty()) break;
    Apply(std::move(changes));
  }
  changed_ = false;
}

Status Coordinator::Write() {
  const Status written = recorded_.Write();
  if (written.ok()) {
    adopted_ |= recorded_.trouble().ok();
    return written;
  }
  live_.SetStorageTrouble(written.message());
  answers_.clear();
  repeats_.Clear();
  attach_tasks_.clear();
  // The rolled-back decisions may include a failed start. Every job without an agent gets one again.
  started_agents_.clear();
  waits_.reset();
  return written;
}

bool Coordinator::Degraded() {
  if (recorded_.trouble().ok()) return false;
  const bool healed = recorded_.Heal();
  live_.SetStorageTrouble(recorded_.trouble().message());
  if (!healed) return true;
  changed_ = true;
  waits_.reset();
  if (!adopted_) Adopt();
  return false;
}

void Coordinator::ProbeSilentAgents() {
  const Clock::TimePoint now = clock_.Now();
  if (agents_probed_ && now - *agents_probed_ < std::chrono::milliseconds(options_.agent_probe_interval_ms)) return;
  agents_probed_ = now;
  std::vector<std::uint64_t> silent;
  for (const std::uint64_t id : state_.live()) {
    const Job& job = *state_.FindJob(id);
    if (HoldsSlots(job.state()) && live_.SilenceMs(job, Now()) >= options_.silence_ms) silent.push_back(id);
  }
  for (const std::uint64_t id : silent) Recover(*state_.FindJob(id));
}

// Silence alone proves nothing. An attempt is over when its agent is known to be gone.
void Coordinator::Recover(const Job& job) {
  switch (agents_.Probe(job.id(), job.attempt())) {
    case AgentTrace::kAlive: return;
    case AgentTrace::kNeverStarted:  // the coordinator died after the write and before the start
      if (job.state() == v1::JOB_STARTING) return;
      [[fallthrough]];
    case AgentTrace::kGone: return Apply(decisions_.OnAgentGone(state_, job.id(), job.attempt(), Now(), LastStep(job)));
    case AgentTrace::kEnded: break;
  }
  const Result<AgentReport> report = agents_.Outcome(job.id(), job.attempt());
  const bool ours = report.ok() && (report->journal().empty() || report->journal() == identity_);
  if (ours) return Apply(decisions_.OnReport(state_, *report, Now()));
  LogWarn("{}: the outcome of attempt {} cannot be used: {}", JobText(job), job.attempt(),
          report.ok() ? "it belongs to another journal" : report.status().message());
  Apply(decisions_.OnAgentGone(state_, job.id(), job.attempt(), Now(), LastStep(job)));
}

std::uint64_t Coordinator::LastStep(const Job& job) const {
  const LiveJob* const live = live_.Find(job.id());
  return live != nullptr && live->attempt == job.attempt() && live->progress ? live->progress->done() : 0;
}

void Coordinator::StartAgents() {
  std::vector<Job> starting;
  for (const std::uint64_t id : state_.live()) {
    const Job& job = *state_.FindJob(id);
    if (job.state() != v1::JOB_STARTING || started_agents_[id] == job.attempt()) continue;
    started_agents_[id] = job.attempt();
    if (agents_.Probe(id, job.attempt()) == AgentTrace::kNeverStarted) starting.push_back(job);
  }
  for (const Job& job : starting) {
    Result<v1::AgentTask> task = TaskOf(job);
    const Status started = task.ok() ? agents_.Start(std::move(task).value()) : task.status();
    if (started.ok()) continue;
    LogError("{}: cannot start its agent: {}", JobText(job), started.message());
    Apply(decisions_.OnLaunchFailed(state_, job.id(), job.attempt(), started, Now()));
  }
}

Result<v1::AgentTask> Coordinator::TaskOf(const Job& job) const {
  v1::AgentTask task;
  STILL_ASSIGN_OR_RETURN(*task.mutable_spec(), journal_.Spec(job.id()));
  task.mutable_spec()->set_priority(job.spec().priority());
  task.set_job(job.id());
  task.set_attempt(job.attempt());
  *task.mutable_placement() = job.placement();
  task.set_journal(identity_);
  task.set_coordinator(options_.endpoint);
  task.set_worker(options_.worker);
  task.set_mpirun(options_.mpirun);
  task.set_attached_ranks(job.attached_ranks());
  *task.mutable_access() = options_.access;
  return task;
}

const std::map<std::uint64_t, Wait>& Coordinator::Waits() {
  if (waits_) return *waits_;
  std::map<std::uint64_t, std::int64_t> left_ms;
  for (const std::uint64_t id : state_.live())
    if (const std::optional<std::int64_t> left = live_.LeftMs(id)) left_ms[id] = *left;
  waits_ = decisions_.Waits(state_, Now(), left_ms, [this](const auto& spec) { return ProbeArtifact(spec); });
  return *waits_;
}

}  // namespace still::coordinator
