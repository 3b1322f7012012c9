// What the HTTP side asks the coordinator, and how it is asked across threads.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "common/proto/coordinator.pb.h"
#include "common/status.h"

namespace still::coordinator {

struct HttpQuestion {
  bool metrics = false;                   // the answer is text for Prometheus; `request` is empty
  stillhouse::v1::ClientRequest request;  // else a query, change or change_host; answered as JSON
};

using Ask = std::function<Result<std::string>(const HttpQuestion&)>;

// The answer to a question as the coordinator's reply to any client has it: a query's view, a change's
// {"message": ..., "jobs": [ids that changed]}, or the error.
Result<std::string> HttpAnswer(const stillhouse::v1::ClientReply& reply);

// How HTTP's threads reach the one thread that owns the coordinator's state. Ask may be called from any thread;
// AnswerAll belongs to the loop. Outlives every thread that asks.
class QuestionQueue {
 public:
  // `wake` makes the loop call AnswerAll soon; called from the asking threads, must not block.
  explicit QuestionQueue(std::function<void()> wake = [] {}) : wake_(std::move(wake)) {}

  // UNAVAILABLE after `patience`, when too many are waiting, or once closed. A question that nobody waits for any
  // more is not answered, so a change that timed out has not been made unless the loop was just at it.
  Result<std::string> AskAndWait(const HttpQuestion& question,
                                 std::chrono::milliseconds patience = std::chrono::milliseconds(2000));
  void AnswerAll(const Ask& answer);
  // From now on every question is refused.
  void Close();

 private:
  struct Waiting {
    HttpQuestion question;
    bool answered = false;
    Result<std::string> answer{std::string()};
  };

  const std::function<void()> wake_;
  std::mutex mutex_;
  std::condition_variable answered_;
  std::deque<std::shared_ptr<Waiting>> waiting_;  // guarded by mutex_, as is what they point to
  bool closed_ = false;
};

}  // namespace still::coordinator
