// Lookups of artifacts that never block the coordinator.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "common/clock.h"
#include "coordinator/jobs/queue.h"

namespace still::coordinator {

// ArtifactLookups finds out on threads of its own whether artifacts exist. A file system that hangs (a lost server
// under a hard mount) holds up only the jobs whose artifacts are on it.
//
// Each artifacts root has at most one thread at a time, which ends when its questions are answered. When kMostThreads
// roots hang, all other roots wait. The threads are detached and share ownership of what they touch. A thread that
// never returns keeps neither this object nor the process from ending. Only the coordinator's thread may call the
// public functions.
class ArtifactLookups {
 public:
  static constexpr std::chrono::milliseconds kFresh{2000};    // an older answer is asked for again
  static constexpr std::chrono::milliseconds kStale{10'000};  // an older answer counts as unknown
  static constexpr int kMostThreads = 32;

  // Starts a detached thread. Throws std::system_error when the system has none to give now.
  using StartThread = std::function<void(std::function<void()>)>;

  // `is_made` may block. Several threads call it at once. `clock` must outlive this object.
  ArtifactLookups(std::function<bool(const v1::JobSpec&)> is_made, Clock& clock,
                  StartThread start_thread = StartDetached);
  // Drops the open questions. Does not wait for a thread.
  ~ArtifactLookups();

  // Returns what is known now, without waiting. Asks for an answer that is missing or no longer fresh.
  ArtifactProbe Probe(const v1::JobSpec& spec);
  // Discards what is known of the artifact and the answers to earlier questions. Call when its job changes.
  void Forget(const v1::JobSpec& spec);
  // Collects the answers that came since the last call. Returns whether any of them changes what is known.
  bool CollectAnswers();

 private:
  static void StartDetached(std::function<void()> body);

  struct Exchange;  // the questions and answers, shared with the threads
  struct Known {
    std::uint64_t question = 0;  // the number of the last question
    bool open = false;           // the last question is not answered yet
    Clock::TimePoint asked;
    std::optional<bool> made;
    Clock::TimePoint answered;
  };

  Clock& clock_;
  const std::shared_ptr<Exchange> exchange_;
  std::map<std::string, Known> known_;  // by the artifact's path
  std::uint64_t questions_ = 0;
};

// Looks for the artifact of a job, and returns whether it stands. No agent runs for one that stands, so what dead
// builders left behind is deleted here. May block.
bool FindArtifact(const stillhouse::v1::JobSpec& spec);

}  // namespace still::coordinator
