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

using v1::JobSpec;

struct ArtifactLookups::Exchange {
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
    bool served = false;  // a thread answers them
  };

  std::function<bool(const JobSpec&)> is_made;
  std::mutex mutex;
  std::map<std::string, Root> roots;
  std::vector<Answer> answers;
  int threads = 0;
  StartThread start_thread;
  bool refused = false;  // the last attempt to start a thread failed

  // Answers the questions of one root until none is left. Runs on a thread of its own.
  static void Serve(const std::shared_ptr<Exchange>& exchange, const std::string& root);
  // Starts a thread for each root that has questions and no thread.
  static void StartThreads(const std::shared_ptr<Exchange>& exchange);
};

void ArtifactLookups::Exchange::Serve(const std::shared_ptr<Exchange>& exchange, const std::string& root) {
  std::unique_lock lock(exchange->mutex);
  while (true) {
    std::deque<Question>& questions = exchange->roots[root].questions;
    if (questions.empty()) break;
    const Question question = std::move(questions.front());
    questions.pop_front();
    lock.unlock();
    const bool made = exchange->is_made(question.artifact);
    lock.lock();
    exchange->answers.push_back({.question = question.number, .path = question.path, .made = made});
  }
  exchange->roots.erase(root);
  --exchange->threads;
}

void ArtifactLookups::Exchange::StartThreads(const std::shared_ptr<Exchange>& exchange) {
  const std::scoped_lock lock(exchange->mutex);
  for (auto& [name, root] : exchange->roots) {
    if (root.served || exchange->threads >= kMostThreads) continue;
    try {
      exchange->start_thread([exchange, root_name = name] { Serve(exchange, root_name); });
    } catch (const std::system_error& error) {  // the next round tries again
      if (!std::exchange(exchange->refused, true))
        LogWarn("cannot start a thread that looks for artifacts under {}: {}; trying again until it starts", name,
                error.what());
      return;
    }
    if (std::exchange(exchange->refused, false)) LogInfo("threads that look for artifacts start again");
    root.served = true;
    ++exchange->threads;
  }
}

void ArtifactLookups::StartDetached(std::function<void()> body) { std::thread(std::move(body)).detach(); }

ArtifactLookups::ArtifactLookups(std::function<bool(const JobSpec&)> is_made, Clock& clock, StartThread start_thread)
    : clock_(clock), exchange_(std::make_shared<Exchange>()) {
  exchange_->is_made = std::move(is_made);
  exchange_->start_thread = std::move(start_thread);
}

ArtifactLookups::~ArtifactLookups() {
  const std::scoped_lock lock(exchange_->mutex);
  for (auto& [name, root] : exchange_->roots) root.questions.clear();
}

ArtifactProbe ArtifactLookups::Probe(const JobSpec& spec) {
  const std::string path = ArtifactPath(spec);
  Known& known = known_[path];
  const Clock::TimePoint now = clock_.Now();
  if (!known.open && (!known.made || now - known.answered >= kFresh)) {
    known.question = ++questions_;
    known.open = true;
    known.asked = now;
    {
      Exchange::Question question{.number = known.question, .path = path, .artifact = {}};
      question.artifact.set_artifacts_root(spec.artifacts_root());
      question.artifact.set_stage(spec.stage());
      question.artifact.set_digest(spec.digest());
      const std::scoped_lock lock(exchange_->mutex);
      exchange_->roots[spec.artifacts_root()].questions.push_back(std::move(question));
    }
    Exchange::StartThreads(exchange_);
  }
  if (known.made && now - known.answered < kStale) return *known.made;
  return ArtifactProbe::Unknown(std::chrono::duration_cast<std::chrono::milliseconds>(now - known.asked).count());
}

void ArtifactLookups::Forget(const JobSpec& spec) {
  const auto known = known_.find(ArtifactPath(spec));
  if (known == known_.end()) return;
  const std::scoped_lock lock(exchange_->mutex);
  if (const auto root = exchange_->roots.find(spec.artifacts_root()); root != exchange_->roots.end())
    std::erase_if(root->second.questions, [&](const auto& question) { return question.path == known->first; });
  known_.erase(known);
}

bool ArtifactLookups::CollectAnswers() {
  std::vector<Exchange::Answer> answers;
  {
    const std::scoped_lock lock(exchange_->mutex);
    answers.swap(exchange_->answers);
  }
  bool news = false;
  for (const Exchange::Answer& answer : answers) {
    const auto known = known_.find(answer.path);
    if (known == known_.end() || known->second.question != answer.question) continue;
    news |= known->second.made != answer.made || clock_.Now() - known->second.answered >= kStale;
    known->second.made = answer.made;
    known->second.answered = clock_.Now();
    known->second.open = false;
  }
  Exchange::StartThreads(exchange_);
  return news;
}

bool FindArtifact(const JobSpec& spec) {
  const bool made = IsMade(spec);
  if (made) RemoveLeftovers(spec);
  return made;
}

}  // namespace still::coordinator
