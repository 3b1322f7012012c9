#include "tests/sim/sim_coordinator.h"

#include <algorithm>
#include <utility>

#include "common/enum_words.h"

namespace still::sim {
namespace {

using coordinator::Changes;
using v1::AgentReport;
using v1::ClientReply;
using v1::ClientRequest;
using v1::Job;

constexpr std::int64_t kTickMs = 1'000;
// Checks that cost more than a decision run after every so many decisions, and less often with more jobs.
constexpr std::uint64_t kBackfillsEvery = 3;
constexpr std::uint64_t kSettledEvery = 2;
constexpr std::uint64_t kWholeEvery = 8;
constexpr std::size_t kRarerWithEvery = 100;  // jobs
constexpr int kMostWakesAtOnce = 50;

ClientReply ReplyOf(const ClientRequest& request, const Status& status) {
  ClientReply reply;
  reply.set_request(request.request());
  reply.set_code(CodeOnWire(status.code()));
  reply.set_message(status.message());
  return reply;
}

}  // namespace

SimCoordinator::SimCoordinator(const coordinator::JobDecisions* decisions, Mutation mutation, std::uint64_t key,
                               ShellSurroundings around)
    : decisions_(decisions), mutation_(std::move(mutation)), dice_(key), around_(std::move(around)) {}

void SimCoordinator::Start() {
  std::vector<Changes> batches = journal_.Replay();
  if (mutation_.replay) mutation_.replay(&batches);
  state_ = {};
  for (const Changes& batch : batches) state_.Apply(batch);
  around_.checker->Recovered(state_);
  around_.verdict->Trace("coordinator starts with {} jobs, {} of them live", state_.jobs().size(),
                         state_.live().size());
  up_ = true;
  waking_ = false;
  if (around_.weather->clock_step_ms > 0)
    skew_ms_ = dice_.Between(-around_.weather->clock_step_ms, around_.weather->clock_step_ms);
  const std::vector<v1::Host> hosts = around_.inventory();
  const Written written = CommitAndAct(decisions_->SetHosts(state_, hosts, now()));
  if (written == Written::kDied) return;
  if (written == Written::kDone) around_.checker->HasInventory(hosts);
  Tick();
}

coordinator::State SimCoordinator::OnDisk() {
  coordinator::State state;
  for (const Changes& batch : journal_.Replay()) state.Apply(batch);
  return state;
}

void SimCoordinator::Crash() {
  if (!up_) return;
  around_.verdict->Trace("coordinator dies");
  up_ = false;
  ++crashes_;
}

void SimCoordinator::OnReport(const AgentReport& report) {
  if (!up_) return;
  Changes changes = decisions_->OnReport(state_, report, now());
  const Job* const job = state_.FindJob(report.job());
  if (!changes.empty() && !report.has_outcome() && report.generation() < job->generation())
    around_.verdict->Broken(fmt::format("a report of generation {} changes job {}, which is in generation {}",
                                        report.generation(), job->id(), job->generation()));
  const Written written = CommitAndAct(std::move(changes));
  if (written == Written::kDied) return;
  around_.answer_agent({report.job(), report.attempt()},
                       coordinator::JobDecisions::OrdersFor(state_.FindJob(report.job()), report));
}

void SimCoordinator::OnRequest(const ClientRequest& request) {
  if (!up_) return;
  if (const auto reply = Decide(request)) around_.answer_client(*reply);
}

std::optional<ClientReply> SimCoordinator::Decide(const ClientRequest& request) {
  const UnixMs now = this->now();
  ClientReply reply = ReplyOf(request, Ok());
  Changes changes;
  Status status;
  const auto take = [&](const auto& outcome) {
    status = outcome.status();
    if (!outcome.ok()) return;
    changes = outcome->changes;
    reply.mutable_jobs()->Assign(outcome->jobs.begin(), outcome->jobs.end());
  };
  if (request.has_submit()) {
    const auto outcome = decisions_->Submit(state_, request.submit(), request.user(), now);
    take(outcome);
    if (outcome.ok()) reply.set_pipeline(outcome->pipeline);
  } else if (request.has_change()) {
    take(decisions_->ChangeJobs(state_, request.change(), request.user(), now));
  } else {
    auto outcome = request.has_attach() ? Attach(request.attach())
                                        : decisions_->ChangeHost(state_, request.change_host(), request.user(), now);
    status = outcome.status();
    if (outcome.ok()) changes = std::move(outcome).value();
  }
  if (!status.ok()) return ReplyOf(request, status);
  switch (CommitAndAct(std::move(changes))) {
    case Written::kDone:
      if (request.has_change()) around_.checker->Obeyed(request.change(), {reply.jobs().begin(), reply.jobs().end()});
      return reply;
    case Written::kRefused: return ReplyOf(request, Error(Code::kResourceExhausted, "the journal's disk is full"));
    case Written::kDied: break;
  }
  return std::nullopt;
}

Result<Changes> SimCoordinator::Attach(const v1::Attach& attach) {
  return decisions_->AttachLaunch(state_, std::stoull(attach.job()), attach.launch(), attach.ranks(), now());
}

SimCoordinator::Written SimCoordinator::Commit(Changes changes) {
  if (mutation_.decide) mutation_.decide(state_, &changes);
  journal_.set_full(*around_.disk_full);
  const UnixMs now = this->now();
  if (dice_.Chance(around_.weather->torn_commit)) {
    const std::size_t written = dice_.Chance(0.5) ? std::string::npos : static_cast<std::size_t>(dice_.Between(0, 300));
    const bool whole = journal_.DieInCommit(changes, written);
    around_.verdict->Trace("coordinator dies in a commit, which is {}", whole ? "whole" : "torn");
    if (whole) around_.checker->Committed(changes, now);
    Crash();
    return Written::kDied;
  }
  if (!journal_.Commit(changes).ok()) return Written::kRefused;
  around_.checker->Committed(changes, now);
  state_.Apply(changes);
  for (const auto& event : changes.events) {
    around_.verdict->Trace("job {} {} -> {} ({}) {}", event.job(), EnumWord(event.from()), EnumWord(event.to()),
                           EnumWord(event.cause()), event.host() + " " + event.message());
  }
  return Written::kDone;
}

SimCoordinator::Written SimCoordinator::CommitAndAct(Changes changes) {
  if (changes.empty()) return Written::kDone;
  const std::vector<Job> jobs = changes.jobs;
  const Written written = Commit(std::move(changes));
  if (written != Written::kDone) return written;
  for (const Job& job : jobs) {
    if (!up_) break;
    const Job* const now = state_.FindJob(job.id());
    if (now != nullptr && now->state() == v1::JOB_STARTING &&
        !around_.directory_of({now->id(), now->attempt()}).has_value())
      StartAgent(Job(*now));
  }
  if (up_) WakeSoon();
  return up_ ? Written::kDone : Written::kDied;
}

// An attempt has a directory from the moment its agent was started. Without one, its agent was not started yet.
void SimCoordinator::LookAfter(const Job& job) {
  const std::optional<AttemptDirectory> directory = around_.directory_of({job.id(), job.attempt()});
  if (!directory.has_value() && job.state() == v1::JOB_STARTING) return StartAgent(job);
  if (directory.has_value() && directory->locked) return;
  const UnixMs now = this->now();
  if (directory.has_value() && directory->outcome.has_value()) {
    CommitAndAct(decisions_->OnReport(state_, *directory->outcome, now));
  } else {
    CommitAndAct(decisions_->OnAgentGone(state_, job.id(), job.attempt(), now));
  }
}

void SimCoordinator::StartAgent(const Job& job) {
  if (dice_.Chance(around_.weather->launch_failure)) {
    const Code code = dice_.Chance(0.95) ? Code::kUnavailable : Code::kInvalidArgument;
    around_.verdict->Trace("agent {}.{} cannot be started", job.id(), job.attempt());
    CommitAndAct(decisions_->OnLaunchFailed(state_, job.id(), job.attempt(), Error(code, "no more processes"), now()));
    return;
  }
  v1::AgentTask task;
  task.set_job(job.id());
  task.set_attempt(job.attempt());
  *task.mutable_spec() = job.spec();
  *task.mutable_placement() = job.placement();
  if (job.attached()) task.set_attached_ranks(job.spec().ranks());
  around_.start_agent(task);
}

void SimCoordinator::WakeSoon() {
  if (std::exchange(waking_, true)) return;
  Whenever(around_.scenario->decide_ms, &SimCoordinator::Wake);
}

void SimCoordinator::Wake() {
  waking_ = false;
  const UnixMs now = this->now();
  wakes_at_once_ = now == last_wake_ms_ ? wakes_at_once_ + 1 : 0;
  last_wake_ms_ = now;
  if (wakes_at_once_ > kMostWakesAtOnce) around_.verdict->Broken("decisions do not come to rest");
  ++wakes_;
  const coordinator::ArtifactProber guess = [this](const auto& spec) { return around_.probe(spec).made(); };
  Changes changes = decisions_->Advance(state_, mutation_.guesses ? guess : around_.probe, now);
  const std::uint64_t rarer = 1 + around_.scenario->jobs / kRarerWithEvery;
  if (changes.empty()) {
    if (wakes_ % (kSettledEvery * rarer) == 0) around_.checker->Settled(now);
    return;
  }
  if (wakes_ % (kBackfillsEvery * rarer) == 0) around_.checker->Backfills(changes, now);
  if (wakes_ % (kWholeEvery * rarer) == 0) around_.checker->Whole();
  CommitAndAct(std::move(changes));
}

void SimCoordinator::Tick() {
  const std::vector<std::uint64_t> live(state_.live().begin(), state_.live().end());
  for (const std::uint64_t id : live) {
    const Job* const job = state_.FindJob(id);
    if (job == nullptr || !coordinator::HoldsSlots(job->state())) continue;
    LookAfter(Job(*job));
    if (!up_) return;
  }
  WakeSoon();
  Whenever(std::max(kTickMs, around_.scenario->report_ms / 5), &SimCoordinator::Tick);
}

// Does nothing if the coordinator has died by then.
void SimCoordinator::Whenever(std::int64_t delay_ms, void (SimCoordinator::*what)()) {
  around_.queue->After(delay_ms, [this, what, crashes = crashes_] {
    if (up_ && crashes == crashes_) (this->*what)();
  });
}

}  // namespace still::sim
