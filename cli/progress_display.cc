#include "cli/progress_display.h"

#include <fmt/format.h>

#include <map>

#include "cli/text.h"
#include "common/duration_text.h"

namespace still::cli {
namespace {

using coordinator::StagePlan;
using std::chrono::milliseconds;

constexpr int kBarColumns = 24;
constexpr const char* kClearLine = "\r\x1b[K";

}  // namespace

void ProgressDisplay::OnStageStarted(const StagePlan& stage) {
  start_.reset();
  shown_.reset();
  if (terminal_) {
    fmt::print(out_, "{}{:<9}{} starting", kClearLine, EnumWord(stage.stage), BarText(0, kBarColumns));
  } else {
    fmt::print(out_, "{:<9}started: {}\n", EnumWord(stage.stage), stage.description);
  }
  std::fflush(out_);
}

void ProgressDisplay::OnProgress(const StagePlan& stage, const v1::Progress& progress) {
  const Clock::TimePoint now = clock_.Now();
  if (!start_) start_ = {now, progress.done(), progress.tokens()};
  if (shown_ && now - *shown_ < (terminal_ ? milliseconds(100) : milliseconds(10'000))) return;
  shown_ = now;
  const std::string text = ProgressText(progress);
  if (terminal_) {
    fmt::print(out_, "{}{:<9}{} {}", kClearLine, EnumWord(stage.stage),
               BarText(ShareOf(progress.done(), progress.total()), kBarColumns), text);
  } else {
    fmt::print(out_, "{:<9}{}\n", EnumWord(stage.stage), text);
  }
  std::fflush(out_);
}

void ProgressDisplay::OnRecovery(const StagePlan& stage, const std::string& text) {
  start_.reset();  // rates begin anew with the new launch
  ShowLine(stage, text);
}

void ProgressDisplay::OnStorageTrouble(const StagePlan& stage, const std::string& text) {
  ShowLine(stage, text.empty() ? "checkpoints are kept again" : "no checkpoints, the work goes on without: " + text);
}

void ProgressDisplay::ShowLine(const StagePlan& stage, const std::string& text) {
  fmt::print(out_, "{}{}: {}\n", terminal_ ? kClearLine : "", EnumWord(stage.stage), text);
  std::fflush(out_);
}

void ProgressDisplay::OnStageFinished(const StagePlan& stage, double seconds, const Status& outcome) {
  const std::string name = EnumWord(stage.stage);
  const std::string_view word = outcome.ok()                         ? "done in"
                                : outcome.code() == Code::kCancelled ? "stopped after"
                                                                     : "failed after";
  fmt::print(out_, "{}{:<9}{} {}\n", terminal_ ? kClearLine : "", name, word, SecondsText(seconds));
  std::fflush(out_);
}

std::string ProgressDisplay::ProgressText(const v1::Progress& progress) const {
  std::string text = fmt::format("{:3.0f} %  {}", 100 * ShareOf(progress.done(), progress.total()),
                                 CountText(progress.done(), progress.total(), progress.unit()));
  const double elapsed = SecondsSince(clock_, start_->time);
  if (elapsed > 0 && progress.tokens() > start_->tokens) {
    const double rate = static_cast<double>(progress.tokens() - start_->tokens) / elapsed;
    text += fmt::format("  {} tokens/s", WithThousands(static_cast<std::uint64_t>(rate)));
  }
  // A protobuf map has no order of its own.
  const std::map<std::string, double> values(progress.values().begin(), progress.values().end());
  for (const auto& [name, value] : values) text += fmt::format("  {} {:.4g}", name, value);
  if (progress.done() > start_->done && progress.total() > progress.done()) {
    const double pace = elapsed / static_cast<double>(progress.done() - start_->done);
    text += fmt::format("  {} left", SecondsText(pace * static_cast<double>(progress.total() - progress.done())));
  }
  return text;
}

}  // namespace still::cli
