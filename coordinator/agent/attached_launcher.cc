#include "coordinator/agent/attached_launcher.h"

#include <utility>

#include "common/check.h"
#include "common/config/config.h"
#include "common/storage/files.h"

namespace still::coordinator {

struct AttachedLauncher::Hearing {
  Clock::TimePoint last;
  bool any = false;
};

namespace {

constexpr std::chrono::seconds kFirstHeartbeat{60};  // from the task to the first heartbeat
constexpr std::chrono::seconds kSilence{5};          // of all guardians, which send five heartbeats per second
constexpr std::chrono::seconds kEnd{1};  // the same once the artifact stands, when ending too early loses nothing

}  // namespace

AttachedLauncher::AttachedLauncher(std::function<void(v1::WorkerTask)> publish, std::function<bool()> is_made,
                                   Clock& clock)
    : publish_(std::move(publish)),
      is_made_(std::move(is_made)),
      clock_(clock),
      hearing_(std::make_shared<Hearing>()) {}

AttachedLauncher::~AttachedLauncher() = default;

AgentCallbacks AttachedLauncher::Listening(AgentCallbacks callbacks) {
  const auto on_report = [hearing = hearing_, &clock = clock_] {
    hearing->last = clock.Now();
    hearing->any = true;
  };
  callbacks.on_progress = [on_report, next = std::move(callbacks.on_progress)](const v1::Progress& progress) {
    on_report();
    next(progress);
  };
  callbacks.on_ranks = [on_report, next = std::move(callbacks.on_ranks)](const RankSightings& sightings) {
    on_report();
    next(sightings);
  };
  return callbacks;
}

Result<std::unique_ptr<cluster::LaunchedJob>> AttachedLauncher::Launch(const cluster::LaunchSpec& spec) {
  class Attached : public cluster::LaunchedJob {
   public:
    Attached(std::shared_ptr<Hearing> hearing, std::function<bool()> is_made, Clock& clock)
        : hearing_(std::move(hearing)), is_made_(std::move(is_made)), clock_(clock) {
      hearing_->last = clock_.Now();
    }
    std::optional<cluster::ExitInfo> Poll() override {
      const auto silence = clock_.Now() - hearing_->last;
      const bool ended = silence > (hearing_->any ? kSilence : kFirstHeartbeat) || (silence > kEnd && is_made_());
      if (killed_ || ended) return cluster::ExitInfo{};
      return std::nullopt;
    }
    void Terminate() override {}  // the answers to heartbeats ask the ranks to end
    void Kill() override { killed_ = true; }

   private:
    const std::shared_ptr<Hearing> hearing_;
    const std::function<bool()> is_made_;
    Clock& clock_;
    bool killed_ = false;
  };
  // The message goes on record, so it only says what happened. `still why` says what to do while the job waits.
  if (std::exchange(launched_, true)) return Error(Code::kUnavailable, "the mpirun that was typed has ended");
  STILL_CHECK(spec.arguments.size() == 2 && spec.arguments[0] == "--task", "a worker is started with its task");
  STILL_ASSIGN_OR_RETURN(const std::string json, ReadFile(spec.arguments[1]));
  v1::WorkerTask task;
  STILL_RETURN_IF_ERROR(FromJson(json, spec.arguments[1], &task));
  auto launched = std::make_unique<Attached>(hearing_, is_made_, clock_);
  publish_(std::move(task));
  return std::unique_ptr<cluster::LaunchedJob>(std::move(launched));
}

}  // namespace still::coordinator
