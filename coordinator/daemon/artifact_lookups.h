// Whether artifacts exist, asked on threads of their own: a file system that hangs (a server that is gone under a hard
// mount) holds up the jobs whose artifacts are on it, and nobody else.
//
// One thread a root at a time, which ends when it has nothing left to ask; so many roots may hang that kMostThreads are
// used up, then all others wait. Threads are detached and share what they touch: one that never returns neither keeps
// this object nor the process from ending. Everything public is for one thread, the coordinator's.
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

class ArtifactLookups {
 public:
  static constexpr std::chrono::milliseconds kFresh{2000};    // then it is asked again
  static constexpr std::chrono::milliseconds kStale{10'000};  // an answer so old says nothing any more
  static constexpr int kMostThreads = 32;

  // Starts a detached thread; std::system_error: not now.
  using StartThread = std::function<void(std::function<void()>)>;

  // `is_made` may block, and is called by several threads.
  ArtifactLookups(std::function<bool(const stillhouse::v1::JobSpec&)> is_made, Clock& clock,
                  StartThread start_thread = StartDetached);
  ~ArtifactLookups();

  // What is known now. What is not is asked for.
  ArtifactSight Look(const stillhouse::v1::JobSpec& spec);
  // Something happened to it: answers to questions asked before say nothing any more.
  void Forget(const stillhouse::v1::JobSpec& spec);
  // Takes in what was answered since. Whether any of it is news.
  bool TakeAnswers();

 private:
  static void StartDetached(std::function<void()> body);

  struct Desk;  // shared with the threads
  struct Known {
    std::uint64_t question = 0;  // the last one asked
    bool open = false;           // and not answered yet
    Clock::TimePoint asked;
    std::optional<bool> made;
    Clock::TimePoint answered;
  };

  Clock& clock_;
  const std::shared_ptr<Desk> desk_;
  std::map<std::string, Known> known_;  // by path
  std::uint64_t questions_ = 0;
};

// Looks for the artifact of a job, and returns whether it stands. No agent runs for one that stands, so what dead
// builders left behind is deleted here. May block.
bool FindArtifact(const stillhouse::v1::JobSpec& spec);

}  // namespace still::coordinator
