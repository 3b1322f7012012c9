// Shows the progress of `still run`. A terminal gets one bar per stage, drawn anew up to ten times per second. A file
// gets plain lines, at most one per ten seconds.
#pragma once

#include <cstdio>
#include <optional>
#include <string>

#include "common/clock.h"
#include "coordinator/daemon/pipeline_run.h"

namespace still::cli {

// Called by the thread of the run only. Owns neither `out` nor `clock`.
class ProgressDisplay : public coordinator::RunObserver {
 public:
  ProgressDisplay(std::FILE* out, bool terminal, const Clock& clock) : out_(out), terminal_(terminal), clock_(clock) {}

  void OnStageStarted(const coordinator::StagePlan& stage) override;
  void OnProgress(const coordinator::StagePlan& stage, const v1::Progress& progress) override;
  void OnRecovery(const coordinator::StagePlan& stage, const std::string& text) override;
  void OnStorageTrouble(const coordinator::StagePlan& stage, const std::string& text) override;
  void OnStageFinished(const coordinator::StagePlan& stage, double seconds, const Status& outcome) override;

 private:
  // Where this launch began. A resumed stage starts with work already done, which its rate must not count.
  struct Start {
    Clock::TimePoint time;
    std::uint64_t done = 0;
    std::uint64_t tokens = 0;
  };
  // Prints a line that stays. On a terminal it replaces the bar, which comes back with the next progress.
  void ShowLine(const coordinator::StagePlan& stage, const std::string& text);
  std::string ProgressText(const v1::Progress& progress) const;

  std::FILE* out_;
  const bool terminal_;
  const Clock& clock_;
  std::optional<Start> start_;
  std::optional<Clock::TimePoint> shown_;
};

}  // namespace still::cli
