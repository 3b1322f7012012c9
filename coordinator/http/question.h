// Questions of HTTP threads, and how they reach the thread of the coordinator.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>

#include "common/enum_words.h"
#include "common/proto/coordinator.pb.h"
#include "common/status.h"

namespace still::coordinator {

struct HttpQuestion {
  bool metrics = false;       // asks for Prometheus text; `request` is empty
  v1::ClientRequest request;  // otherwise: a query, change or change_host
};

using Ask = std::function<Result<std::string>(const HttpQuestion&)>;

// Returns the coordinator's reply as JSON: the view of a query, or the ChangeView of a change. Returns the reply's
// error if it has one.
Result<std::string> HttpAnswer(const v1::ClientReply& reply);

// Takes questions from HTTP's threads to the thread that owns the coordinator's state. AskAndWait and Close may be
// called from any thread, and AnswerAll from the loop only. The queue must outlive every thread that asks.
class QuestionQueue {
 public:
  // `wake` makes the loop call AnswerAll soon. Asking threads call it, so it must not block.
  explicit QuestionQueue(std::function<void()> wake = [] {}) : wake_(std::move(wake)) {}

  // Blocks until the loop has answered. UNAVAILABLE after `patience`, when too many questions wait, or once closed. A
  // question that has timed out is dropped: its change is not made, unless the loop had begun to answer it.
  Result<std::string> AskAndWait(const HttpQuestion& question,
                                 std::chrono::milliseconds patience = std::chrono::milliseconds(2000));
  void AnswerAll(const Ask& answer);
  // Refuses the questions that wait and all later ones.
  void Close();

 private:
  struct Waiting {
    HttpQuestion question;
    std::promise<Result<std::string>> answer;
  };

  const std::function<void()> wake_;
  std::mutex mutex_;
  std::deque<std::shared_ptr<Waiting>> waiting_;  // guarded by mutex_
  bool closed_ = false;
};

}  // namespace still::coordinator
