#include "coordinator/agent/attached_launcher.h"

#include <utility>

#include "common/check.h"
#include "common/files.h"

namespace still::coordinator {

struct AttachedLauncher::Hearing {
  Clock::TimePoint last;
  bool any = false;
};

namespace {

constexpr std::chrono::seconds kFirstWord{60};  // from the task to the first heartbeat
constexpr std::chrono::seconds kSilence{5};     // of all guardians: they speak five times a second

}  // namespace

AttachedLauncher::AttachedLauncher(std::function<void(std::string)> publish, Clock& clock)
    : publish_(std::move(publish)), clock_(clock), hearing_(std::make_shared<Hearing>()) {}

AttachedLauncher::~AttachedLauncher() = default;

AgentCallbacks AttachedLauncher::Listening(AgentCallbacks callbacks) {
  const auto heard = [hearing = hearing_, &clock = clock_] {
    hearing->last = clock.Now();
    hearing->any = true;
  };
  callbacks.on_progress = [heard, next = std::move(callbacks.on_progress)](const StageProgress& progress) {
    heard();
    next(progress);
  };
  callbacks.on_ranks = [heard, next = std::move(callbacks.on_ranks)](const PhaseTimes& times) {
    heard();
    next(times);
  };
  return callbacks;
}

Result<std::unique_ptr<cluster::LaunchedJob>> AttachedLauncher::Launch(const cluster::LaunchSpec& spec) {
  class Attached : public cluster::LaunchedJob {
   public:
    Attached(std::shared_ptr<Hearing> hearing, Clock& clock) : hearing_(std::move(hearing)), clock_(clock) {
      hearing_->last = clock_.Now();
    }
    std::optional<cluster::ExitInfo> Poll() override {
      const auto patience = hearing_->any ? kSilence : kFirstWord;
      if (killed_ || clock_.Now() - hearing_->last > patience) return cluster::ExitInfo{};
      return std::nullopt;
    }
    void Terminate() override {}  // the answers to heartbeats ask the ranks to end
    void Kill() override { killed_ = true; }

   private:
    const std::shared_ptr<Hearing> hearing_;
    Clock& clock_;
    bool killed_ = false;
  };
  if (std::exchange(launched_, true))
    return Error(Code::kUnavailable, "the mpirun that was typed has ended; type it again to go on");
  STILL_CHECK(spec.arguments.size() == 2 && spec.arguments[0] == "--task", "a worker is started with its task");
  STILL_ASSIGN_OR_RETURN(std::string task, ReadFile(spec.arguments[1]));
  auto launched = std::make_unique<Attached>(hearing_, clock_);
  publish_(std::move(task));
  return std::unique_ptr<cluster::LaunchedJob>(std::move(launched));
}

}  // namespace still::coordinator
