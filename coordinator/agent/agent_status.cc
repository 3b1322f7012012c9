#include "coordinator/agent/agent_status.h"

#include <algorithm>
#include <utility>

#include "common/enum_words.h"
#include "common/rpc/protocol.h"

namespace still::coordinator {

AgentStatus::AgentStatus(const v1::AgentTask& task) {
  report_.set_protocol(kProtocol);
  report_.set_job(task.job());
  report_.set_attempt(task.attempt());
  report_.set_journal(task.journal());
}

template <typename Change>
void AgentStatus::Set(Change change, bool urgent) {
  const std::scoped_lock lock(mutex_);
  change(report_);
  urgent_ |= urgent;
  if (urgent) changed_.notify_all();
}

AgentCallbacks AgentStatus::Callbacks() {
  return {.on_progress = [this](const v1::Progress& progress) { OnProgress(progress); },
          .on_generation = [this](const GenerationStart& start) { OnGeneration(start); },
          .on_ranks = [this](const RankSightings& sightings) { OnRanks(sightings); },
          .on_storage_trouble =
              [this](const std::string& text) {
                Set([&](v1::AgentReport& report) { report.set_storage_trouble(text); }, /*urgent=*/true);
              }};
}

void AgentStatus::OnProgress(const v1::Progress& progress) {
  Set(
      [&](v1::AgentReport& report) {
        *report.mutable_progress() = progress;
        report.set_running(true);
      },
      /*urgent=*/progress.total() > 0 && progress.done() == progress.total());
}

// A generation and what it recovers from go into one report, because the coordinator records them together.
void AgentStatus::OnGeneration(const GenerationStart& start) {
  Set(
      [&](v1::AgentReport& report) {
        report.set_generation(start.generation);
        if (start.recovery) recoveries_.push_back({.recovery = *start.recovery});
        if (start.in_place) return;
        report.clear_ranks();
        report.set_running(false);
        for (const v1::PhaseSeconds& time : report.phase_seconds())
          earlier_phase_seconds_[time.phase()] = time.seconds();
      },
      /*urgent=*/true);
}

void AgentStatus::OnRanks(const RankSightings& sightings) {
  Set(
      [&](v1::AgentReport& report) {
        report.clear_ranks();
        for (v1::RankState& rank : sightings.ranks()) *report.add_ranks() = std::move(rank);
        std::map<v1::Phase, double> sums = earlier_phase_seconds_;
        for (const auto& [phase, seconds] : sightings.seconds()) sums[phase] += seconds;
        report.clear_phase_seconds();
        for (const auto& [phase, seconds] : sums) {
          v1::PhaseSeconds& time = *report.add_phase_seconds();
          time.set_phase(phase);
          time.set_seconds(seconds);
        }
        report.set_running(report.running() || report.ranks_size() > 0);
      },
      /*urgent=*/false);
}

void AgentStatus::SetAttachTask(v1::WorkerTask task) {
  Set([&](v1::AgentReport& report) { *report.mutable_task() = std::move(task); }, /*urgent=*/true);
}

void AgentStatus::End(const JobOutcome& outcome) {
  Set(
      [&](v1::AgentReport& report) {
        v1::AgentOutcome& message = *report.mutable_outcome();
        message.set_code(CodeOnWire(outcome.status.code()));
        message.set_message(outcome.status.message());
        message.set_step(outcome.step);
        message.set_lost_host(outcome.lost_host);
        report.clear_task();
      },
      /*urgent=*/true);
}

v1::AgentReport AgentStatus::Report() {
  const std::scoped_lock lock(mutex_);
  urgent_ = false;
  report_.set_sequence(report_.sequence() + 1);
  v1::AgentReport report = report_;
  for (UnreportedRecovery& recovery : recoveries_) {
    if (recovery.first_sequence == 0) recovery.first_sequence = report.sequence();
    *report.add_recoveries() = recovery.recovery;
  }
  return report;
}

void AgentStatus::OnOrders(const v1::AgentOrders& orders) {
  if (orders.not_recorded()) return;
  const std::scoped_lock lock(mutex_);
  std::erase_if(recoveries_, [&](const UnreportedRecovery& recovery) {
    return recovery.first_sequence != 0 && recovery.first_sequence <= orders.sequence();
  });
}

void AgentStatus::WaitForChange(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, timeout, [&] { return urgent_; });
}

}  // namespace still::coordinator
