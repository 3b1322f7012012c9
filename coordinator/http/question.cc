#include "coordinator/http/question.h"

#include <algorithm>
#include <utility>

#include "common/enum_words.h"
#include "coordinator/views/view_json.h"

namespace still::coordinator {
namespace {

constexpr std::size_t kMostWaiting = 64;

Status ShuttingDown() { return Error(Code::kUnavailable, "the coordinator is shutting down"); }

}  // namespace

Result<std::string> HttpAnswer(const v1::ClientReply& reply) {
  if (reply.code() != v1::CODE_OK) return Status(CodeFromWire(reply.code()), reply.message());
  if (reply.has_view()) return ViewJson(reply.view());
  return ChangeJson(reply);
}

Result<std::string> QuestionQueue::AskAndWait(const HttpQuestion& question, std::chrono::milliseconds patience) {
  const auto waiting = std::make_shared<Waiting>();
  waiting->question = question;
  std::future<Result<std::string>> answer = waiting->answer.get_future();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return ShuttingDown();
    if (waiting_.size() >= kMostWaiting) {
      return Error(Code::kUnavailable, "{} questions are waiting for the coordinator; try again", kMostWaiting);
    }
    waiting_.push_back(waiting);
  }
  wake_();
  if (answer.wait_for(patience) == std::future_status::ready) return answer.get();
  const std::lock_guard<std::mutex> lock(mutex_);
  std::erase(waiting_, waiting);
  return Error(Code::kUnavailable, "the coordinator did not answer within {} ms; it is busy or its disk is slow",
               patience.count());
}

void QuestionQueue::AnswerAll(const Ask& answer) {
  for (;;) {
    std::shared_ptr<Waiting> next;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (waiting_.empty()) return;
      next = std::move(waiting_.front());
      waiting_.pop_front();
    }
    next->answer.set_value(answer(next->question));
  }
}

void QuestionQueue::Close() {
  const std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
  for (const auto& waiting : waiting_) waiting->answer.set_value(ShuttingDown());
  waiting_.clear();
}

}  // namespace still::coordinator
