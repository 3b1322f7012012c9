#include "tests/sim/sim_agent.h"

#include <algorithm>
#include <utility>

#include "common/rpc/protocol.h"
#include "tests/testing/recoveries.h"

namespace still::sim {

SimAgent::SimAgent(v1::AgentTask task, std::uint64_t key, Around around)
    : task_(std::move(task)),
      dice_(key),
      around_(std::move(around)),
      artifact_(&around_.machines->artifact(task_.spec())) {
  Later(dice_.Between(50, 3'000), &SimAgent::Launch);
  ReportAgain();
}

void SimAgent::OnOrders(const v1::AgentOrders& orders) {
  if (!alive()) return;
  if (orders.acknowledged() && (phase_ == Phase::kEnded || orders.kill())) {
    // An attempt that is over only for the coordinator ends its ranks, too.
    Enter(Phase::kDying);
    Later(dice_.Between(0, 500), &SimAgent::Release);
    return;
  }
  if (phase_ == Phase::kEnding || phase_ == Phase::kEnded) return;
  if (orders.kill() && !std::exchange(kill_, true)) return End(Code::kCancelled, "killed");
  if (!orders.drain() || std::exchange(drain_, true)) return;
  if (phase_ == Phase::kRunning) {
    const std::int64_t into_step = (around_.queue->now() - started_ms_) % artifact_->work.step_ms;
    const std::uint64_t entered = entered_;
    around_.queue->After(artifact_->work.step_ms - into_step, [this, entered] {
      if (entered == entered_) FinishDrain();
    });
  } else {
    End(Code::kCancelled, "drained before a step");
  }
}

void SimAgent::Crash() {
  if (!alive()) return;
  Enter(Phase::kDying);
  Later(dice_.Between(0, 2'000), &SimAgent::Release);
}

void SimAgent::LoseHost(const std::string& host, bool dead) {
  if (!alive() || phase_ == Phase::kEnded) return;
  if (dead) {
    if (launched()) dead_host_ = host;
    around_.machines->VacateHost(id(), host);
  }
  around_.queue->After(dice_.Between(3'000, 10'000), [this, generation = generation_, host] {
    if (generation != generation_ || !launched()) return;
    if (dead_host_ != host && around_.machines->hosts().at(host).reachable()) return;
    End(Code::kUnavailable, "host " + host + " is silent", host);
  });
}

bool SimAgent::UsesHost(const std::string& host) const {
  return std::ranges::any_of(task_.placement(), [&](const auto& share) { return share.host() == host; });
}

void SimAgent::Later(std::int64_t delay_ms, void (SimAgent::*what)()) {
  around_.queue->After(delay_ms, [this, what, entered = entered_] {
    if (entered == entered_) (this->*what)();
  });
}

void SimAgent::Enter(Phase phase) {
  phase_ = phase;
  ++entered_;
}

void SimAgent::Launch() {
  // A person who types mpirun does not wait until it is known whether the artifact exists. Every other start must have
  // been needed.
  if (task_.attached_ranks() > 0 && artifact_->made) return End(Code::kOk, "its artifact exists");
  for (const auto& share : task_.placement()) {
    if (around_.machines->hosts().at(share.host()).reachable()) continue;
    return End(Code::kUnavailable, "host " + share.host() + " cannot be reached", share.host());
  }
  // A generation is on disk before it is reported.
  generation_ = ++artifact_->generation;
  dead_host_.clear();
  Enter(Phase::kLaunching);
  around_.machines->Occupy(id(), task_);
  Later(dice_.Between(10, 3'000), &SimAgent::Step);
  Report();
}

void SimAgent::Step() {
  start_step_ = artifact_->step;
  started_ms_ = around_.queue->now();
  Enter(Phase::kRunning);
  const Work& work = artifact_->work;
  const auto rest = static_cast<std::int64_t>(work.steps - std::min(work.steps, start_step_)) * work.step_ms;
  if (dice_.Chance(around_.weather->rank_death)) {
    Later(dice_.Between(0, rest + 1), &SimAgent::LoseRank);
  } else {
    Later(rest + dice_.Between(1, 500), &SimAgent::Finish);
  }
  Report();
}

void SimAgent::Finish() {
  if (artifact_->work.hopeless) return End(Code::kDataLoss, "the input is damaged");
  if (!dead_host_.empty()) return;  // the step never ends
  artifact_->step = artifact_->work.steps;
  around_.machines->Publish(id(), artifact_);
  End(Code::kOk, "");
}

// Launches the ranks again, as often as that helps.
void SimAgent::LoseRank() {
  if (!dead_host_.empty()) return;  // ranks that hang on the dead host do not answer
  const std::uint64_t every = artifact_->work.checkpoint_every;
  const std::uint64_t kept = std::max(start_step_, StepNow() / every * every);
  deaths_ = kept > start_step_ ? 0 : deaths_ + 1;
  artifact_->step = kept;
  if (deaths_ > 2) return End(Code::kUnavailable, "rank 0 died three times at one step");
  recovering_ = true;
  Enter(Phase::kPausing);
  around_.machines->Vacate(id());
  Later(dice_.Between(100, 5'000), &SimAgent::Launch);
  Report();
}

void SimAgent::FinishDrain() {
  if (!dead_host_.empty()) return;
  artifact_->step = std::max(artifact_->step, StepNow());
  End(Code::kCancelled, "drained");
}

void SimAgent::Release() {
  around_.machines->Vacate(id());
  Enter(Phase::kGone);
  around_.gone();
}

void SimAgent::End(Code code, const std::string& message, const std::string& lost_host) {
  around_.verdict->Trace("agent {}.{} ends: {} {}", task_.job(), task_.attempt(), CodeName(code), message);
  outcome_.set_code(CodeOnWire(code));
  outcome_.set_message(message);
  outcome_.set_step(artifact_->step);
  outcome_.set_lost_host(lost_host);
  Enter(Phase::kEnding);
  Later(dice_.Between(0, 500), &SimAgent::WriteOutcome);
}

void SimAgent::WriteOutcome() {
  around_.machines->Vacate(id());
  Enter(Phase::kEnded);
  Report();
}

void SimAgent::Report() {
  v1::AgentReport report;
  report.set_protocol(kProtocol);
  report.set_job(task_.job());
  report.set_attempt(task_.attempt());
  report.set_sequence(++sequence_);
  report.set_generation(generation_);
  report.set_running(phase_ == Phase::kRunning);
  report.mutable_progress()->set_done(StepNow());
  report.mutable_progress()->set_total(artifact_->work.steps);
  if (phase_ != Phase::kPausing && std::exchange(recovering_, false))
    *report.add_recoveries() = testing::RecoveryOf({.generation = generation_, .rank = 0, .survivors = 0});
  if (phase_ == Phase::kEnded) {
    *report.mutable_outcome() = outcome_;
    outcome_file_ = report;
  }
  around_.send(report);
}

void SimAgent::ReportAgain() {
  if (!alive()) return;
  if (sequence_ > 0 || phase_ != Phase::kStarting) Report();
  around_.queue->After(around_.report_ms + dice_.Between(0, around_.report_ms / 10), [this] { ReportAgain(); });
}

std::uint64_t SimAgent::StepNow() const {
  if (phase_ != Phase::kRunning) return artifact_->step;
  const auto done = static_cast<std::uint64_t>((around_.queue->now() - started_ms_) / artifact_->work.step_ms);
  return std::min(artifact_->work.steps, start_step_ + done);
}

}  // namespace still::sim
