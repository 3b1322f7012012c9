#include "coordinator/http/question.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/enum_words.h"
#include "coordinator/views/view_json.h"

namespace still::coordinator {
namespace {

constexpr std::size_t kMostWaiting = 64;

}  // namespace

Result<std::string> HttpAnswer(const v1::ClientReply& reply) {
  if (reply.code() != v1::CODE_OK) return Status(CodeFromWire(reply.code()), reply.message());
  if (reply.has_view()) return ViewJson(reply.view());
  const nlohmann::json changed = {{"message", reply.message()},
                                  {"job_ids", std::vector<std::uint64_t>(reply.jobs().begin(), reply.jobs().end())}};
  return changed.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<std::string> QuestionQueue::AskAndWait(const HttpQuestion& question, std::chrono::milliseconds patience) {
  const auto waiting = std::make_shared<Waiting>();
  waiting->question = question;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    if (closed_) return Error(Code::kUnavailable, "the coordinator is shutting down");
    if (waiting_.size() >= kMostWaiting) {
      return Error(Code::kUnavailable, "{} questions are waiting for the coordinator; try again", kMostWaiting);
    }
    waiting_.push_back(waiting);
  }
  wake_();
  std::unique_lock<std::mutex> lock(mutex_);
  answered_.wait_for(lock, patience, [&] { return waiting->answered || closed_; });
  if (waiting->answered) return std::move(waiting->answer);
  std::erase(waiting_, waiting);
  if (closed_) return Error(Code::kUnavailable, "the coordinator is shutting down");
  return Error(Code::kUnavailable, "the coordinator did not answer within {} ms; it is busy or its disk is slow",
               patience.count());
}

void QuestionQueue::AnswerAll(const Ask& answer) {
  for (;;) {
    std::shared_ptr<Waiting> next;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      if (waiting_.empty()) return;
      next = std::move(waiting_.front());
      waiting_.pop_front();
    }
    // No other thread writes it once it is out of the queue.
    Result<std::string> text = answer(next->question);
    {
      std::unique_lock<std::mutex> lock(mutex_);
      next->answer = std::move(text);
      next->answered = true;
    }
    answered_.notify_all();
  }
}

void QuestionQueue::Close() {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    closed_ = true;
    waiting_.clear();
  }
  answered_.notify_all();
}

}  // namespace still::coordinator
