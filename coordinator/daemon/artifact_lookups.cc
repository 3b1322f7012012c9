#include "coordinator/daemon/artifact_lookups.h"

#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "common/log.h"
#include "coordinator/agent/job_run.h"

namespace still::coordinator {

using stillhouse::v1::JobSpec;

struct ArtifactLookups::Desk {
  struct Question {
    std::uint64_t number = 0;
    std::string path;
    JobSpec artifact;
  };
  struct Answer {
    std::uint64_t question = 0;
    std::string path;
    bool made = false;
  };
  struct Root {
    std::deque<Question> questions;
    bool served = false;  // by a thread
  };

  std::function<bool(const JobSpec&)> is_made;
  std::mutex mutex;
  std::map<std::string, Root> roots;
  std::vector<Answer> answers;
  int threads = 0;
  StartThread start_thread;
  bool refused = false;  // the last thread that was to be started

  static void Serve(const std::shared_ptr<Desk>& desk, const std::string& root);
  static void StartThreads(const std::shared_ptr<Desk>& desk);
};

void ArtifactLookups::Desk::Serve(const std::shared_ptr<Desk>& desk, const std::string& root) {
  std::unique_lock lock(desk->mutex);
  while (true) {
    std::deque<Question>& questions = desk->roots[root].questions;
    if (questions.empty()) break;
    const Question question = std::move(questions.front());
    questions.pop_front();
    lock.unlock();
    const bool made = desk->is_made(question.artifact);
    lock.lock();
    desk->answers.push_back({.question = question.number, .path = question.path, .made = made});
  }
  desk->roots.erase(root);
  --desk->threads;
}

void ArtifactLookups::Desk::StartThreads(const std::shared_ptr<Desk>& desk) {
  const std::scoped_lock lock(desk->mutex);
  for (auto& [name, root] : desk->roots) {
    if (root.served || desk->threads >= kMostThreads) continue;
    try {
      desk->start_thread([desk, root_name = name] { Serve(desk, root_name); });
    } catch (const std::system_error& error) {  // no more threads now: tried again in the next round
      if (!std::exchange(desk->refused, true))
        LogWarn("no thread to look for artifacts under {}, tried again until there is: {}", name, error.what());
      return;
    }
    if (std::exchange(desk->refused, false)) LogInfo("there are threads to look for artifacts again");
    root.served = true;
    ++desk->threads;
  }
}

void ArtifactLookups::StartDetached(std::function<void()> body) { std::thread(std::move(body)).detach(); }

ArtifactLookups::ArtifactLookups(std::function<bool(const JobSpec&)> is_made, Clock& clock, StartThread start_thread)
    : clock_(clock), desk_(std::make_shared<Desk>()) {
  desk_->is_made = std::move(is_made);
  desk_->start_thread = std::move(start_thread);
}

ArtifactLookups::~ArtifactLookups() {
  const std::scoped_lock lock(desk_->mutex);
  for (auto& [name, root] : desk_->roots) root.questions.clear();
}

ArtifactSight ArtifactLookups::Look(const JobSpec& spec) {
  const std::string path = ArtifactPath(spec);
  Known& known = known_[path];
  const Clock::TimePoint now = clock_.Now();
  if (!known.open && (!known.made || now - known.answered >= kFresh)) {
    known.question = ++questions_;
    known.open = true;
    known.asked = now;
    {
      Desk::Question question{.number = known.question, .path = path, .artifact = {}};
      question.artifact.set_artifacts_root(spec.artifacts_root());
      question.artifact.set_kind(spec.kind());
      question.artifact.set_digest(spec.digest());
      const std::scoped_lock lock(desk_->mutex);
      desk_->roots[spec.artifacts_root()].questions.push_back(std::move(question));
    }
    Desk::StartThreads(desk_);
  }
  if (known.made && now - known.answered < kStale) return *known.made;
  return ArtifactSight::Unknown(std::chrono::duration_cast<std::chrono::milliseconds>(now - known.asked).count());
}

void ArtifactLookups::Forget(const JobSpec& spec) {
  const auto known = known_.find(ArtifactPath(spec));
  if (known == known_.end()) return;
  const std::scoped_lock lock(desk_->mutex);
  if (const auto root = desk_->roots.find(spec.artifacts_root()); root != desk_->roots.end())
    std::erase_if(root->second.questions, [&](const auto& question) { return question.path == known->first; });
  known_.erase(known);
}

bool ArtifactLookups::TakeAnswers() {
  std::vector<Desk::Answer> answers;
  {
    const std::scoped_lock lock(desk_->mutex);
    answers.swap(desk_->answers);
  }
  bool news = false;
  for (const Desk::Answer& answer : answers) {
    const auto known = known_.find(answer.path);
    if (known == known_.end() || known->second.question != answer.question) continue;
    news |= known->second.made != answer.made || clock_.Now() - known->second.answered >= kStale;
    known->second.made = answer.made;
    known->second.answered = clock_.Now();
    known->second.open = false;
  }
  Desk::StartThreads(desk_);
  return news;
}

bool FindArtifact(const JobSpec& spec) {
  const bool made = IsMade(spec);
  if (made) RemoveLeftovers(spec);
  return made;
}

}  // namespace still::coordinator
